"""What a worker does with the jobs of a stream: decisions only, no Redis, no clock of its own."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Final

from redis.exceptions import (
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
    TryAgainError,
)

AWAY: Final = (
    OSError,
    ConnectionError,
    TimeoutError,
    BusyLoadingError,
    ReadOnlyError,
    OutOfMemoryError,
    ClusterDownError,
    MasterDownError,
    TryAgainError,
)
"""Errors that pass by themselves: the server is gone, loading, full, or has become a replica."""

_MISSING: Final = ("NOGROUP", "no such key")


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """When jobs change hands.

    Args:
        claim_idle: seconds without a sign of life after which a job may be taken over.
        max_deliveries: deliveries of one job before it is given up.
        drain: seconds that running jobs may take once the worker is told to stop.
        dead_consumer: seconds after which a silent consumer without jobs is deleted from the group.
    """

    claim_idle: float = 5.0
    max_deliveries: int = 3
    drain: float = 20.0
    dead_consumer: float = 300.0

    @property
    def heartbeat(self) -> float:
        """Seconds between two signs of life: two may be late or lost before a job is taken."""
        return self.claim_idle / 3

    @property
    def look_for_overdue(self) -> float:
        """Seconds between two looks at what peers have left: soon, since some are handed back on purpose."""
        return min(1.0, self.claim_idle / 5)


@dataclass(frozen=True, slots=True)
class Overdue:
    """A job in the group's pending list that nobody has kept alive."""

    entry: str
    deliveries: int
    """How often it was delivered before."""


def choose(overdue: Sequence[Overdue], held: Set[str]) -> Overdue | None:
    """The oldest overdue job that is not in work in this very process (whose heartbeat is late)."""
    return next((job for job in overdue if job.entry not in held), None)


def may_claim(now: float, regained_at: float | None, policy: DeliveryPolicy) -> bool:
    """False for one idle time after an outage: every job looks abandoned then, until its worker is back too.

    Args:
        now: seconds on the clock that ``regained_at`` was read from.
        regained_at: when Redis came back, None while it has never been away.
        policy: the times in force.
    """
    return regained_at is None or now - regained_at >= policy.claim_idle


def reason_to_give_up(deliveries: int, policy: DeliveryPolicy) -> str | None:
    """Why a job delivered so often, this time included, is not tried again; None when it is tried."""
    if deliveries <= policy.max_deliveries:
        return None
    return f"given up after {policy.max_deliveries} deliveries: each ended without a result"


def is_away(error: BaseException) -> bool:
    """Whether the error passes by itself, so that the same call may be made again later."""
    return isinstance(error, AWAY) or (isinstance(error, ResponseError) and str(error).startswith("MISCONF"))


def is_missing_group(error: BaseException) -> bool:
    """Whether the stream or its group is not there: a new Redis, or one that lost its data."""
    return isinstance(error, ResponseError) and any(sign in str(error) for sign in _MISSING)
