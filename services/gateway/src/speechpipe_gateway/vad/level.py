"""How loud chunks are, and which of them are so much fainter than what came just before that they are its echo."""

from collections import deque
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechpipe_gateway.vad.votes import CHUNK_SAMPLES

FAINTER_DECIBELS: Final = 30.0
"""Below the loudest of the last chunks; what ends a word is louder than that: the same span is taken for the extent of
speech in the detectors' tests."""

REMEMBERED_CHUNKS: Final = 8
"""A quarter of a second: longer than Silero goes on hearing a voice that has ended (2 to 4 chunks), and soon over for
whoever speaks softly after somebody loud."""

_SHARE: Final = 10 ** (-FAINTER_DECIBELS / 20)


class RecentLevel:
    """The peaks of one session's last chunks."""

    def __init__(self) -> None:
        self._peaks: deque[int] = deque(maxlen=REMEMBERED_CHUNKS)

    def faint(self, peak: int) -> bool:
        """Whether a chunk with this peak is much fainter than the loudest of those before it; remembers it."""
        before = max(self._peaks, default=0)
        self._peaks.append(peak)
        return peak < before * _SHARE


def peaks(chunks: NDArray[np.int16]) -> NDArray[np.int32]:
    """The largest magnitude in each of ``n`` chunks, shape ``(n, 512)``; up to 32768, which int16 does not hold."""
    if chunks.shape[1:] != (CHUNK_SAMPLES,):
        raise ValueError(f"chunks have {CHUNK_SAMPLES} samples, got {chunks.shape[1:]}")
    loudest: NDArray[np.int32] = np.maximum(chunks.max(axis=1).astype(np.int32), -chunks.min(axis=1).astype(np.int32))
    return loudest
