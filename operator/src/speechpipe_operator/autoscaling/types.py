"""The values between the backlog, the decision, the scaler and the status. Times are seconds, work is seconds of audio
(for translation: seconds of the audio that the texts come from), unless a name says otherwise.
"""

from dataclasses import dataclass
from typing import Literal

Reason = Literal[
    "Steady",  # the number is right
    "Backlog",  # more: work waits or more arrives than workers can do
    "Panic",  # more, at once: work has piled up faster than the drain target allows
    "Upstream",  # more: the stage before is about to send more
    "ScaledDown",  # fewer: less would do for the whole stabilisation window
    "Stabilizing",  # fewer would do, but not for long enough yet
    "ScaledToZero",  # nothing undelivered or pending for the whole cooldown
    "CoolingDown",  # nothing to do, but not for the whole cooldown yet
    "WokenUp",  # from zero: there is work
    "AtMinimum",
    "AtMaximum",
    "GpuStarved",  # more would be right, but pods are unschedulable
    "RolloutInProgress",  # no scale-down while pods are being replaced
    "Draining",  # workers told to stop claiming still hold work
    "Hold",  # the backlog can't be read or trusted: the number stays
    "Fixed",  # the spec gives the number
    "External",  # somebody else scales (an HPA)
    "Paused",
]
"""Why the number is what it is; part of the status and of a metric, so never renamed."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the spec says about scaling one component."""

    min_replicas: int
    max_replicas: int
    drain_seconds: float = 10.0
    """T: a backlog should be worked off within this."""
    utilization: float = 0.7
    """Share of its time that a worker should be busy under constant load."""
    prior_speed: float = 1.0
    """Work per busy second of one worker, until it is measured."""
    panic_seconds: float = 6.0
    """Window of the short view: load in it that is far above the long view's scales up at once."""
    stable_seconds: float = 60.0
    """Window of the long view of the arrival rate."""
    stabilization_seconds: float = 120.0
    """Fewer workers must have been enough for so long before any goes."""
    cooldown_seconds: float = 300.0
    """Nothing may have been undelivered or pending for so long before the last worker goes."""
    scale_down_percent: int = 50
    """Most workers, of those there are, to take away within one minute; at least one."""


@dataclass(frozen=True, slots=True)
class Backlog:
    """What Redis says of one stage (its stream of finals and its stream of partials, all shards together)."""

    undelivered: int
    """Jobs that no worker has taken: length - pending."""
    pending: int
    """Jobs that workers hold."""
    partials: int
    """Undelivered and pending partials; they are shed under load, so they never count in full."""
    oldest_seconds: float
    """Age of the oldest final that is not settled; 0 without any."""
    arrived_work: float
    """Work of all finals that ever arrived (a counter; it restarts with Redis)."""
    arrived_jobs: int
    done_work: float
    """Work of all that was ever settled (a counter)."""
    busy_seconds: float
    """Seconds that workers have ever been busy (a counter, summed over workers)."""
    trusted: bool = True
    """False where numbers and their cross-checks have disagreed for several reads."""
    doubt: str = ""
    """What disagrees, in words."""


@dataclass(frozen=True, slots=True)
class Workers:
    """What the cluster says of one stage."""

    desired: int
    """``spec.replicas`` now."""
    ready: int
    starting: int
    """Scheduled, not ready yet, and not known to be failing: capacity that is coming."""
    unschedulable: int = 0
    draining: int = 0
    """Cordoned, or terminating."""
    rolling: bool = False


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that one decision looks at."""

    backlog: Backlog | None
    """None: it could not be read."""
    workers: Workers
    upstream_rate: float = 0.0
    """Work a second that the stage before will send on (its own arrivals and backlog), for feeding forward."""
    error: str = ""
    """Why ``backlog`` is None."""


@dataclass(frozen=True, slots=True)
class Decision:
    """How many workers there should be."""

    replicas: int
    reason: Reason
    detail: str
    """The reason as a sentence with its numbers."""
    valid: bool = True
    """False: no data; ``replicas`` is the number as it was."""
    rate: float = 0.0
    """λ, work a second arriving, as estimated."""
    speed: float = 0.0
    """μ, work per busy second of one worker, as estimated."""
    work: float = 0.0
    """Work waiting or in hand, as estimated."""
