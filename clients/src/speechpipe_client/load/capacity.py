"""Looks for the largest number of streams that a system holds: doubling, then bisection. Pure."""

from typing import Final

PRECISION: Final = 0.05
"""The answer is at most so much too small."""


class CapacitySearch:
    """Asks for one probe after another: ``while (n := search.next()) is not None: search.record(n, held=...)``.

    Args:
        first: streams of the first probe.
        most: more are not tried.
    """

    def __init__(self, first: int = 1, most: int = 1024) -> None:
        self.best = 0
        """Most streams that were held."""
        self._first = min(first, most)
        self._most = most
        self._too_many: int | None = None

    def next(self) -> int | None:
        """Streams of the next probe; None when the answer is known well enough."""
        if self._too_many is None:
            if self.best >= self._most:
                return None
            return min(self._most, 2 * self.best) if self.best else self._first
        gap = self._too_many - self.best
        return self.best + gap // 2 if gap > max(1, PRECISION * self.best) else None

    def record(self, streams: int, *, held: bool) -> None:
        """What a probe has shown."""
        if held:
            self.best = max(self.best, streams)
        elif self._too_many is None or streams < self._too_many:
            self._too_many = streams

    @property
    def bounded(self) -> bool:
        """Whether a larger number was tried and not held."""
        return self._too_many is not None
