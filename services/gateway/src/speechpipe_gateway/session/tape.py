"""The audio that a session still answers for: from the oldest segment without a delivered final to now."""

import numpy as np
from numpy.typing import NDArray


class Tape:
    """PCM16 mono at 16 kHz addressed by session offset; grows at the end, is freed from the front."""

    def __init__(self, start: int) -> None:
        self.start = start
        self._bytes = bytearray()

    @property
    def end(self) -> int:
        """Offset behind the last sample."""
        return self.start + len(self._bytes) // 2

    def append(self, samples: NDArray[np.int16]) -> None:
        """Put samples behind the last."""
        self._bytes += samples.astype("<i2", copy=False).tobytes()

    def read(self, start: int, end: int) -> bytes:
        """PCM16LE bytes of samples ``[start, end)``.

        Raises:
            ValueError: part of the range was freed, or has not come yet.
        """
        if not self.start <= start <= end <= self.end:
            raise ValueError(f"samples [{start}, {end}) are not on the tape, which has [{self.start}, {self.end})")
        return bytes(self._bytes[(start - self.start) * 2 : (end - self.start) * 2])

    def free(self, before: int) -> None:
        """Forget everything before an offset; what has not come yet keeps its place, needed or not."""
        before = min(before, self.end)
        if before > self.start:
            del self._bytes[: (before - self.start) * 2]
            self.start = before
