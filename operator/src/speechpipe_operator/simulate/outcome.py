"""What a simulation tells: how long jobs waited, and what that cost."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from speechpipe_operator.simulate.trace import Floats, Trace


class Point(NamedTuple):
    """One moment of a plot."""

    at: float
    work: float
    """Audio-seconds that wait."""
    waiting: int
    """Jobs that wait."""
    workers: int
    """Asked for: ready, starting and without a node."""
    ready: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """One trace, one stage, one scaler."""

    trace: Trace
    waits: Floats
    """Seconds from each job's arrival until a worker took it, shape (jobs,), in the order of arrival."""
    unfinished: int
    """Jobs that were not done an hour after the trace."""
    busy_hours: float
    worker_hours: float
    """Paid: from a pod's place on a node to its end."""
    scalings: int
    """How often another number was asked for."""
    points: tuple[Point, ...]

    def wait(self, percent: float) -> float:
        """That percentile of the waits, in seconds."""
        return float(np.percentile(self.waits, percent))

    @property
    def most_workers(self) -> int:
        """The highest number that was asked for."""
        return max((point.workers for point in self.points), default=0)

    @property
    def utilization(self) -> float:
        """Share of the paid time that was work; 0 where nothing was paid."""
        return self.busy_hours / self.worker_hours if self.worker_hours else 0.0
