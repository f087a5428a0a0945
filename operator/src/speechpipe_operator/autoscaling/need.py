"""From a load to the number of workers that it needs: the formula, and when it moves the number up. Pure."""

from dataclasses import dataclass
from math import ceil, isfinite
from typing import Final

from speechpipe_operator.autoscaling.estimate import Load
from speechpipe_operator.autoscaling.types import Policy, Reason, Workers

TOLERANCE: Final = 0.1
"""How far above the number the need must lie to raise it, and below a lower one to allow that; the tolerance of the
HorizontalPodAutoscaler. Twice that lies between up and down again, which keeps a constant load's number constant."""

TOLERANCE_STARTING: Final = 0.5
"""The same while workers are starting: they are capacity that is coming, and the backlog of that time is theirs."""

PANIC_FACTOR: Final = 2.0
"""It is panic where the short view asks for so many times the workers there are (Knative's threshold of 200 %)."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A number of workers on its way to a decision."""

    replicas: int
    reason: Reason


def raised(policy: Policy, workers: Workers, load: Load) -> Wish:
    """The number that is there, or more where the long view or the short one is clearly above it."""
    current = workers.desired
    if current == 0 and not load.active:
        return Wish(0, "ScaledToZero")
    long = need(policy, load, load.rate, load.waiting)
    short = need(policy, load, load.surge, load.waiting_before_surge)
    wish = Wish(current, "Steady")
    if max(long, short) > current * (1 + (TOLERANCE_STARTING if workers.starting > 0 else TOLERANCE)):
        reason: Reason = "Upstream" if load.upstream > load.arriving else "Backlog"
        if short >= PANIC_FACTOR * max(1, load.capacity):
            reason = "Panic"
        wish = Wish(max(current, whole(policy, max(long, short))), reason)
    if current == 0:
        return Wish(max(1, wish.replicas), "WokenUp")
    return wish


def enough(policy: Policy, workers: Workers, load: Load) -> int:
    """The fewest that do, with the tolerance on top; at least 1, unless there is none and nothing to do."""
    if workers.desired == 0 and not load.active:
        return 0
    return max(1, whole(policy, need(policy, load, load.rate, load.waiting) * (1 + TOLERANCE)))


def need(policy: Policy, load: Load, rate: float, waiting: float) -> float:
    """Workers, not yet a whole number: ``(λ + work/T) / (μ · utilization)``.

    Work that the workers there will have done within the drain target needs nobody else: headroom is for what arrives.
    That holds as long as the oldest job is no older than the drain target and a start explain; at twice that age all
    that waits counts, twice.
    """
    drain = max(policy.drain_seconds, 1e-3)
    late = min(1.0, max(0.0, load.oldest / (drain + load.startup) - 1))
    spare = max(0.0, load.capacity * load.speed - rate) * drain
    work = max(0.0, waiting * (1 + late) - spare * (1 - late))
    return (rate + work / drain) / (load.speed * min(1.0, max(policy.utilization, 1e-3)))


def whole(policy: Policy, workers: float) -> int:
    """The next whole number; one more than the maximum stands for anything beyond it."""
    most = policy.max_replicas + 1
    return ceil(min(workers, most)) if isfinite(workers) else most
