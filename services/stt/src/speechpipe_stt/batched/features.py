"""Log-mel features in windows of the model's encoder."""

from collections.abc import Sequence

import ctranslate2
import numpy as np
from numpy.typing import NDArray

Mel = NDArray[np.float32]
"""Log-mel features, shape (mel bands, frames)."""


def windowed(mels: Sequence[Mel], window: int) -> ctranslate2.StorageView:
    """Features of shape (batch, mel bands, window).

    What a row lacks is as quiet as its quietest point. faster-whisper pads with zeros, which is louder than silence:
    with a second of that at the end of a short window the word error rate was 0.127 on 12 English clips, with a second
    of quiet 0.032, in the full window 0.028.
    """
    batch = np.empty((len(mels), mels[0].shape[0], window), np.float32)
    for row, mel in zip(batch, mels, strict=True):
        row[:] = mel.min()
        row[:, : mel.shape[1]] = mel[:, :window]
    return ctranslate2.StorageView.from_array(batch)


def stacked(encoded: Sequence[ctranslate2.StorageView]) -> ctranslate2.StorageView:
    """Rows that were encoded one by one on the CPU, as one batch."""
    if len(encoded) == 1:
        return encoded[0]
    return ctranslate2.StorageView.from_array(np.concatenate([np.asarray(row) for row in encoded]))


def rows(encoded: ctranslate2.StorageView, indices: Sequence[int]) -> ctranslate2.StorageView:
    """Some rows of the encoder's output, on the CPU; all of them stay where they are."""
    if list(indices) == list(range(encoded.shape[0])):
        return encoded
    if encoded.device != "cpu":
        encoded = encoded.to(ctranslate2.DataType.float32).to_device(ctranslate2.Device.cpu)
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.array(encoded)[list(indices)]))
