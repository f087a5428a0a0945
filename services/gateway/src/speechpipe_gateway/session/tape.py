"""The audio that a session still answers for: from the oldest segment without a delivered final to now."""

from collections import deque

import numpy as np
from numpy.typing import NDArray


class Tape:
    """PCM16 mono at 16 kHz addressed by session offset; grows at the end, is freed from the front.

    Held as the pieces in which it came: one growing buffer would keep up to twice its length allocated, for each of
    many sessions.
    """

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        """Offset behind the last sample."""
        self._pieces: deque[bytes] = deque()
        self._first = start
        """Offset of the first piece, the beginning of which may be freed already."""

    def append(self, samples: NDArray[np.int16]) -> None:
        """Put samples behind the last."""
        if len(samples):
            self._pieces.append(samples.astype("<i2", copy=False).tobytes())
            self.end += len(samples)

    def read(self, start: int, end: int) -> bytes:
        """PCM16LE bytes of samples ``[start, end)``.

        Raises:
            ValueError: part of the range was freed, or has not come yet.
        """
        if not self.start <= start <= end <= self.end:
            raise ValueError(f"samples [{start}, {end}) are not on the tape, which has [{self.start}, {self.end})")
        parts: list[bytes] = []
        position = self._first
        for piece in self._pieces:
            if position >= end:
                break
            until = position + len(piece) // 2
            if until > start:
                parts.append(piece[max(start - position, 0) * 2 : (end - position) * 2])
            position = until
        return b"".join(parts)

    def free(self, before: int) -> None:
        """Forget everything before an offset; what has not come yet keeps its place, needed or not."""
        self.start = max(self.start, min(before, self.end))
        while self._pieces and self._first + len(self._pieces[0]) // 2 <= self.start:
            self._first += len(self._pieces.popleft()) // 2
