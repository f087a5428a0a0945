"""Sliding windows as values of bounded size: how much a counter grew, and the highest of a number. Pure."""

from dataclasses import dataclass
from typing import Final

RESOLUTION: Final = 60
"""Parts that a window is cut into; each has two points at most, however often it is looked at."""


@dataclass(frozen=True, slots=True)
class Point:
    """Totals since the window's owner began to count."""

    at: float
    work: float
    jobs: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What arrived within the last ``seconds``; the oldest point lies before the window, to interpolate its edge."""

    points: tuple[Point, ...] = ()

    def add(self, now: float, seconds: float, work: float, jobs: float) -> "Arrivals":
        """The window at ``now``, with ``work`` and ``jobs`` that arrived since the last point."""
        if not self.points:
            return Arrivals((Point(now, 0.0, 0.0),))
        last = self.points[-1]
        new = Point(now, last.work + work, last.jobs + jobs)
        crowded = len(self.points) > 1 and now - self.points[-2].at < seconds / RESOLUTION
        kept = self.points[:-1] if crowded else self.points
        begin = now - seconds
        outside = sum(point.at <= begin for point in kept)
        return Arrivals((*kept[max(0, outside - 1) :], new))

    def within(self, seconds: float) -> tuple[float, float]:
        """Work and jobs of the last ``seconds`` before the newest point, as far back as is remembered."""
        if len(self.points) < 2:
            return 0.0, 0.0
        newest = self.points[-1]
        begin = newest.at - seconds
        index = len(self.points) - 2
        while index > 0 and self.points[index].at > begin:
            index -= 1
        first, second = self.points[index], self.points[index + 1]
        share = max(0.0, begin - first.at) / (second.at - first.at) if second.at > first.at else 0.0
        work = first.work + share * (second.work - first.work)
        jobs = first.jobs + share * (second.jobs - first.jobs)
        return newest.work - work, newest.jobs - jobs


@dataclass(frozen=True, slots=True)
class Highest:
    """The highest of a number within a window: values in falling order, each with the last time that it stood."""

    points: tuple[tuple[float, int], ...] = ()

    def add(self, now: float, seconds: float, value: int) -> "Highest":
        """The window at ``now``, with ``value``."""
        kept = [(at, old) for at, old in self.points if old > value and at > now - seconds]
        if len(kept) >= RESOLUTION:
            # The newer of two neighbours lives as long as it would, with the higher value of both: never too low.
            (_, higher), (later, _), *rest = kept
            kept = [(later, higher), *rest]
        return Highest((*kept, (now, value)))

    @property
    def value(self) -> int:
        """The highest value; 0 where there is none."""
        return self.points[0][1] if self.points else 0
