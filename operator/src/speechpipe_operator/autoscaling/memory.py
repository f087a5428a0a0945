"""What ``decide`` remembers from one observation to the next: one value of bounded size, that nobody else writes."""

from dataclasses import dataclass, field

from speechpipe_operator.autoscaling.startup import Startup
from speechpipe_operator.autoscaling.windows import Arrivals, Highest


@dataclass(frozen=True, slots=True)
class Counters:
    """The counters of a backlog as they were last read."""

    arrived_work: float
    arrived_jobs: int
    done_work: float
    busy_seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """Work done and the busy seconds that it took; both fade by busy time, so that old measurements are forgotten."""

    work: float
    busy: float


@dataclass(frozen=True, slots=True)
class Memory:
    """Everything that outlasts one decision."""

    at: float
    """Time of the last observation."""
    wishes: Highest
    """The numbers that would have done, over the stabilisation window."""
    numbers: Highest
    """``spec.replicas`` over the last minute."""
    stable: Arrivals = field(default=Arrivals())
    panic: Arrivals = field(default=Arrivals())
    counters: Counters | None = None
    measured: Measured | None = None
    """None until the first observation, which brings the prior."""
    startup: Startup = field(default=Startup())
    idle_since: float | None = None
    """Since when nothing has been there; None where something is, or where nobody has looked."""
    partials_at: float | None = None
    """When partials were last seen."""
    fits: int = 0
    """Workers that were scheduled when the rollout that goes on began, or since; of the last moment where none does."""

    @classmethod
    def starting(cls, replicas: int, now: float) -> "Memory":
        """The memory of an operator that has just started, and found ``replicas`` workers asked for.

        The stabilisation window begins here, with that number, so that a restart takes no worker away.
        """
        first = ((now, replicas),)
        return cls(at=now, wishes=Highest(first), numbers=Highest(first))
