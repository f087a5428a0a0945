"""KEDA with its redis-streams trigger: KEDA itself wakes from zero and goes back there, an HPA does the rest.

Sources: https://keda.sh/docs/latest/scalers/redis-streams/, https://keda.sh/docs/latest/reference/scaledobject-spec/
(``pollingInterval``, ``cooldownPeriod``, activation), KEDA ``pkg/scaling/executor/scale_scaledobjects.go`` and
``pkg/scalers/redis_streams_scaler.go``. The HPA asks KEDA's metrics server, which reads Redis at that moment
(metrics are not cached unless ``useCachedMetrics`` says so). Entries are deleted when they are done, so that
``streamLength`` is all that waits or is held.
"""

from dataclasses import dataclass, field
from typing import Literal

from speechpipe_operator.simulate.hpa import SYNC_SECONDS, Behavior, Hpa, per_pod_replicas
from speechpipe_operator.simulate.scaler import Sample

Metric = Literal["pendingEntriesCount", "lagCount", "streamLength"]


@dataclass(frozen=True, slots=True)
class ScaledObject:
    """A ScaledObject; the defaults are KEDA's own.

    Each trigger has a target; with several the HPA takes the highest number. A target that is no whole number needs
    ``scalingModifiers`` (KEDA 2.12), whose target is a float.
    """

    triggers: tuple[tuple[Metric, float], ...] = (("pendingEntriesCount", 5.0),)
    min_replicas: int = 0
    max_replicas: int = 100
    activation: int = 0
    """The trigger is active above this; ``activationLagCount`` for lagCount."""
    polling_seconds: float = 30.0
    cooldown_seconds: float = 300.0
    behavior: Behavior = field(default_factory=Behavior)


class Keda:
    """The operator's loop and the HPA's, each on its own clock."""

    def __init__(self, spec: ScaledObject) -> None:
        self._spec = spec
        self._hpa = Hpa(max(1, spec.min_replicas), spec.max_replicas, spec.behavior)
        self._next_poll, self._next_sync = 0.0, 7.0
        """The two clocks don't know of each other; half a sync period between them is the average."""
        self._active_at = 0.0

    def look(self, sample: Sample) -> tuple[int, float]:
        """Whichever clocks have struck."""
        wanted = sample.desired
        if sample.now >= self._next_poll:
            self._next_poll += self._spec.polling_seconds
            wanted = self._polled(sample, wanted)
        if sample.now >= self._next_sync:
            self._next_sync += SYNC_SECONDS
            if wanted > 0:  # an HPA leaves a target with no replicas alone
                numbers = (per_pod_replicas(value(name, sample), to, wanted) for name, to in self._spec.triggers)
                wanted = self._hpa.sync(sample.now, wanted, max(numbers))
        return wanted, min(self._next_poll, self._next_sync) - sample.now

    def _polled(self, sample: Sample, current: int) -> int:
        if any(value(name, sample) > self._spec.activation for name, _ in self._spec.triggers):
            self._active_at = sample.now
            return current or max(1, self._spec.min_replicas)
        if self._spec.min_replicas == 0 and sample.now > self._active_at + self._spec.cooldown_seconds:
            return 0
        return max(current, self._spec.min_replicas)


def value(metric: Metric, sample: Sample) -> float:
    """What the trigger reads: XPENDING's count, the group's lag, or XLEN."""
    match metric:
        case "pendingEntriesCount":
            return float(sample.held)
        case "lagCount":
            return float(sample.waiting)
        case "streamLength":
            return float(sample.waiting + sample.held)
