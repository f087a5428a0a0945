"""How often a child may be mended: two parties that undo each other's work must not do so in a hot loop. Pure."""

from collections import deque
from typing import Final

from speechpipe_operator.objects import Ref

WINDOW_SECONDS: Final = 60.0
MOST: Final = 20
"""Mends of one child within the window; people and their scripts stay far below."""
PAUSE_SECONDS: Final = 15.0


class Contest:
    """The mends of one pipeline's children. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self._mends: dict[Ref, deque[float]] = {}

    def wait(self, child: Ref, now: float) -> float:
        """Seconds that the child has to wait before it is mended again; 0 nearly always."""
        times = self._mends.get(child)
        if times is None:
            return 0.0
        while times and times[0] <= now - WINDOW_SECONDS:
            times.popleft()
        if not times:
            del self._mends[child]
        if len(times) < MOST:
            return 0.0
        return max(0.0, times[-1] + PAUSE_SECONDS - now)

    def mended(self, child: Ref, now: float) -> None:
        """The child was not as it had been left, and is now."""
        self._mends.setdefault(child, deque(maxlen=MOST)).append(now)
