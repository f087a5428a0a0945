"""One stage of the pipeline as the simulation knows it: how fast workers are and how long they take to start."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """The same for every scaler that is compared. ``speed`` and the rest describe workers, not policy."""

    speed: float = 2.0
    """Audio-seconds that a worker does in one busy second, one job at a time; > 0."""
    startup_seconds: float = 45.0
    """Mean time from a new pod to its first job: scheduling, container, model load; >= 0."""
    startup_spread: float = 0.2
    """Standard deviation of that time as a share of its mean (lognormal); >= 0."""
    batch: int = 1
    """Most jobs that a worker takes at a time; >= 1. It never waits for more."""
    batch_share: float = 0.4
    """What each further job of a batch costs, as a share of its cost alone; 1: batching wins nothing."""
    gpus: int | None = None
    """Workers that fit on the nodes; more stay unschedulable, and unpaid. None: no limit."""
    initial: int = 1
    """Workers that are ready at the beginning."""
    seed: int = 1
    """Of the startup times."""

    def __post_init__(self) -> None:
        for name, least in (("startup_seconds", 0.0), ("startup_spread", 0.0), ("batch", 1), ("initial", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; at least {least:g}")
        if self.speed <= 0:
            raise ValueError(f"speed is {self.speed:g}; audio-seconds per busy second are more than 0")
        if not 0.0 <= self.batch_share <= 1.0:
            raise ValueError(f"batch_share is {self.batch_share:g}; a share is from 0 to 1")

    def busy_seconds(self, longest: float, total: float) -> float:
        """How long a batch takes: its longest job in full, of the others a share."""
        return (longest + self.batch_share * (total - longest)) / self.speed
