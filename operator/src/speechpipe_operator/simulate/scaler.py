"""What a scaler sees and says; the same for ours and for the models of others."""

from typing import NamedTuple, Protocol


class Sample(NamedTuple):
    """The stage at one moment. A NamedTuple: thousands are made for each simulated hour."""

    now: float
    """Seconds since the beginning of the trace."""
    waiting: int
    """Jobs that no worker has taken."""
    held: int
    """Jobs that workers are busy with."""
    waiting_work: float
    """Audio-seconds of the waiting jobs."""
    oldest_seconds: float
    """Age of the oldest job that is not done; 0 without any."""
    arrived_jobs: int
    arrived_work: float
    done_work: float
    busy_seconds: float
    """Seconds that workers spent on the jobs that are done."""
    desired: int
    """The number that was last asked for."""
    ready: int
    starting: int
    unschedulable: int
    draining: int
    """Told to go, and busy with a last job."""


class Scaler(Protocol):
    """Decides how many workers there should be. Keeps its own memory, so each simulation needs a new one."""

    def look(self, sample: Sample) -> tuple[int, float]:
        """Workers that there should be, and the seconds until the next look (> 0)."""
        ...


class Fixed:
    """Always the same number: what autoscaling is measured against."""

    def __init__(self, replicas: int) -> None:
        self._replicas = replicas

    def look(self, sample: Sample) -> tuple[int, float]:
        """The number, once a minute."""
        return self._replicas, 60.0
