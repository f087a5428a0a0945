"""How long workers take to start, measured while others start beside them. Pure."""

from dataclasses import dataclass
from typing import Final

from speechpipe_operator.autoscaling.types import Workers

FIRST_STARTUP_SECONDS: Final = 15.0
"""What a worker is taken to need until it is ready, before one has been seen to start."""

LONGEST_STARTUP_SECONDS: Final = 300.0

MOST_GROUPS: Final = 30
"""Groups of starting workers that are told apart; the newest is the last, and grows."""


@dataclass(frozen=True, slots=True)
class Startup:
    """The newest measurement, and those who start now; the first to start is taken to be the first that is ready."""

    seconds: float = FIRST_STARTUP_SECONDS
    """What the worker that became ready last had needed."""
    groups: tuple[tuple[float, int], ...] = ()
    """When workers were first seen to start, and how many of them still do; oldest first."""
    ready: int = 0
    """Workers that were ready at the last look."""

    def watch(self, workers: Workers, now: float) -> "Startup":
        """With the workers of ``now``."""
        starting, ready = max(0, workers.starting), max(0, workers.ready)
        groups = list(self.groups)
        seconds, arrived = self.seconds, min(ready - self.ready, sum(count for _, count in groups))
        while arrived > 0:
            since, count = groups.pop(0)
            seconds = min(LONGEST_STARTUP_SECONDS, max(0.0, now - since))
            if count > arrived:
                groups.insert(0, (since, count - arrived))
            arrived -= count
        return Startup(seconds, _as_many(groups, starting, now), ready)

    def expected(self, now: float) -> float:
        """Seconds that a worker takes to start: as measured, or as long as one has been at it now."""
        lasting = now - self.groups[0][0] if self.groups else 0.0
        return min(LONGEST_STARTUP_SECONDS, max(self.seconds, lasting))


def _as_many(groups: list[tuple[float, int]], starting: int, now: float) -> tuple[tuple[float, int], ...]:
    """``groups`` of ``starting`` workers together: new ones are seen now, and the newest are those that went away."""
    known = sum(count for _, count in groups)
    if starting > known:
        if len(groups) < MOST_GROUPS:
            return (*groups, (now, starting - known))
        since, count = groups[-1]
        return (*groups[:-1], (since, count + starting - known))
    kept: list[tuple[float, int]] = []
    for since, count in groups:
        room = starting - sum(each for _, each in kept)
        if room <= 0:
            break
        kept.append((since, min(count, room)))
    return tuple(kept)
