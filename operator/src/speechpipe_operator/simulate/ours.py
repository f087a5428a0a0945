"""Speechpipe's own autoscaler: the real ``decide``, fed what its readers of Redis and of the cluster would see."""

from typing import Final

from speechpipe_operator.autoscaling.decide import decide
from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.types import Backlog, Decision, Observation, Policy, Workers
from speechpipe_operator.simulate.scaler import Sample

ACTIVE_SECONDS: Final = 2.0
"""Between two looks while there is work."""
IDLE_SECONDS: Final = 5.0


class Ours:
    """``decide`` with its memory. Traces hold finals only and the stage is the first: no partials, nothing upstream."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._memory: Memory | None = None
        self.last: Decision | None = None
        """The newest decision."""

    def look(self, sample: Sample) -> tuple[int, float]:
        """Decide."""
        memory = self._memory or Memory.starting(sample.desired, sample.now)
        self.last, self._memory = decide(self._policy, _observed(sample), memory, sample.now)
        return self.last.replicas, ACTIVE_SECONDS if sample.waiting + sample.held else IDLE_SECONDS


def _observed(sample: Sample) -> Observation:
    backlog = Backlog(
        undelivered=sample.waiting,
        pending=sample.held,
        partials=0,
        oldest_seconds=sample.oldest_seconds,
        arrived_work=sample.arrived_work,
        arrived_jobs=sample.arrived_jobs,
        done_work=sample.done_work,
        busy_seconds=sample.busy_seconds,
    )
    workers = Workers(
        desired=sample.desired,
        ready=sample.ready,
        starting=sample.starting,
        unschedulable=sample.unschedulable,
        draining=sample.draining,
    )
    return Observation(backlog=backlog, workers=workers)
