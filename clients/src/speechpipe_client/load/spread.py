"""Percentiles. Pure."""

from collections.abc import Collection
from math import ceil

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """How values are spread; percentiles are by nearest rank, so that each of them is a value that occurred."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


def spread(values: Collection[float]) -> Spread | None:
    """The spread of some values; None where there are none."""
    if not values:
        return None
    ordered = sorted(values)
    p50, p95, p99 = (percentile(ordered, share) for share in (0.5, 0.95, 0.99))
    return Spread(len(ordered), p50, p95, p99, round(ordered[-1], 4))


def percentile(ordered: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of all do not exceed, to a tenth of a millisecond."""
    return round(ordered[max(0, ceil(share * len(ordered)) - 1)], 4)
