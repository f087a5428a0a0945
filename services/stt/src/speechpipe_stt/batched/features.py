"""Log-mel features in windows of the model's encoder."""

import math
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


def stacked(encoded: Sequence[ctranslate2.StorageView], quiet: NDArray[np.float32]) -> ctranslate2.StorageView:
    """Rows that were encoded one by one on the CPU, as one batch.

    Args:
        encoded: Output of the encoder, each of shape (1, states, width).
        quiet: Its output for quiet alone, shape (states, width), at least as many as the longest row has. What a
            shorter row lacks is filled with it, as if its window had been as long.
    """
    if len(encoded) == 1:
        return encoded[0]
    found = [np.asarray(each)[0] for each in encoded]
    batch = np.empty((len(found), max(map(len, found)), found[0].shape[1]), np.float32)
    for row, states in zip(batch, found, strict=True):
        row[: len(states)] = states
        if len(states) < len(row):
            row[len(states) :] = quiet[len(states) : len(row)]
    return ctranslate2.StorageView.from_array(batch)


def rows(encoded: ctranslate2.StorageView, indices: Sequence[int]) -> ctranslate2.StorageView:
    """Some rows of the encoder's output: a copy on the CPU; on a GPU, where they have to be neighbours, no copy."""
    if list(indices) == list(range(encoded.shape[0])):
        return encoded
    if encoded.device == "cpu":
        return ctranslate2.StorageView.from_array(np.asarray(encoded)[list(indices)])
    if encoded.dtype == ctranslate2.DataType.bfloat16:  # which array interfaces do not know
        encoded = encoded.to(ctranslate2.DataType.float32)
    return ctranslate2.StorageView.from_array(_Neighbours(encoded, indices[0], len(indices)))


class _Neighbours:
    """Rows of an array on a GPU, as its array interface tells of them."""

    def __init__(self, whole: ctranslate2.StorageView, first: int, count: int) -> None:
        interface = dict(whole.__cuda_array_interface__)
        row = math.prod(whole.shape[1:]) * np.dtype(interface["typestr"]).itemsize
        begin, read_only = interface["data"]
        self._whole = whole
        self.__cuda_array_interface__ = {
            **interface,
            "shape": (count, *whole.shape[1:]),
            "data": (begin + first * row, read_only),
        }
