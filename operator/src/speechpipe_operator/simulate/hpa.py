"""The HorizontalPodAutoscaler's algorithm, for external metrics of type AverageValue (which is what KEDA feeds it).

Sources: https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/ ("Algorithm details",
"Configurable scaling behavior"), and Kubernetes 1.34 ``pkg/controller/podautoscaler``:
``GetExternalPerPodMetricReplicas``, ``stabilizeRecommendationWithBehaviors``,
``convertDesiredReplicasWithBehaviorRate``,
``calculateScaleUpLimitWithScalingRules``, ``calculateScaleDownLimitWithBehaviors``. Pods that are starting count as
replicas, as they do there for external metrics.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil
from typing import Final, Literal

TOLERANCE: Final = 0.1
"""``--horizontal-pod-autoscaler-tolerance``."""
SYNC_SECONDS: Final = 15.0
"""``--horizontal-pod-autoscaler-sync-period``."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One scaling policy: at most so many pods, or percent of them, within a period."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_seconds: float


@dataclass(frozen=True, slots=True)
class Direction:
    """``behavior.scaleUp`` or ``behavior.scaleDown``, with selectPolicy Max: the rule that allows most decides."""

    stabilization_seconds: float
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class Behavior:
    """``spec.behavior``; the defaults are Kubernetes' own."""

    up: Direction = Direction(0.0, (Rule("Pods", 4, 15.0), Rule("Percent", 100, 15.0)))
    down: Direction = Direction(300.0, (Rule("Percent", 100, 15.0),))


def per_pod_replicas(usage: float, target: float, replicas: int) -> int:
    """Replicas so that ``usage`` is ``target`` for each; the present number while within the tolerance."""
    if replicas > 0 and abs(1.0 - usage / (target * replicas)) <= TOLERANCE:
        return replicas
    return ceil(usage / target)


class Hpa:
    """The controller's memory of one target: recommendations, and events of scaling."""

    def __init__(self, least: int, most: int, behavior: Behavior) -> None:
        self._least, self._most, self._behavior = least, most, behavior
        self._recommended: deque[tuple[float, int]] = deque()
        self._ups: list[tuple[float, int]] = []
        self._downs: list[tuple[float, int]] = []

    def sync(self, now: float, current: int, wanted: int) -> int:
        """Replicas to set, where the metrics ask for ``wanted`` and there are ``current``."""
        if not self._recommended:
            self._recommended.append((now, current))
        chosen = self._limited(now, current, self._stabilized(now, current, wanted))
        if chosen > current:
            self._ups.append((now, chosen - current))
        elif chosen < current:
            self._downs.append((now, current - chosen))
        return chosen

    def _stabilized(self, now: float, current: int, wanted: int) -> int:
        up_since = now - self._behavior.up.stabilization_seconds
        down_since = now - self._behavior.down.stabilization_seconds
        while self._recommended and self._recommended[0][0] <= min(up_since, down_since):
            self._recommended.popleft()
        lowest = min((number for at, number in self._recommended if at > up_since), default=wanted)
        highest = max((number for at, number in self._recommended if at > down_since), default=wanted)
        self._recommended.append((now, wanted))
        return min(max(current, min(lowest, wanted)), max(highest, wanted))

    def _limited(self, now: float, current: int, wanted: int) -> int:
        if wanted > current:
            allowed = max(_raised(rule, self._period_start(rule, now, current)) for rule in self._behavior.up.rules)
            return min(wanted, min(self._most, max(allowed, current)))
        if wanted < current:
            allowed = min(_lowered(rule, self._period_start(rule, now, current)) for rule in self._behavior.down.rules)
            return max(wanted, max(self._least, min(allowed, current)))
        return min(max(wanted, self._least), self._most)

    def _period_start(self, rule: Rule, now: float, current: int) -> int:
        since = now - rule.period_seconds
        added = sum(change for at, change in self._ups if at > since)
        removed = sum(change for at, change in self._downs if at > since)
        return current - added + removed


def _raised(rule: Rule, start: int) -> int:
    return start + rule.value if rule.kind == "Pods" else ceil(start * (1 + rule.value / 100))


def _lowered(rule: Rule, start: int) -> int:
    return start - rule.value if rule.kind == "Pods" else int(start * (1 - rule.value / 100))
