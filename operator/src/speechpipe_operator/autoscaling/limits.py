"""What holds a wished number of workers back: windows, the rollout, full GPUs, the cooldown, the spec. Pure."""

from dataclasses import replace
from typing import Final

from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.need import Wish
from speechpipe_operator.autoscaling.types import Policy, Workers

RATE_SECONDS: Final = 60.0
"""``scale_down_percent`` is of the workers of so long ago."""

LONGEST_GAP_SECONDS: Final = 60.0
"""After a longer silence nobody knows what was there meanwhile."""


def clamp(policy: Policy, replicas: int) -> int:
    """``replicas`` within the spec's bounds; the minimum wins over a maximum below it."""
    return max(0, policy.min_replicas, min(policy.max_replicas, replicas))


def catch_up(memory: Memory, workers: Workers, now: float) -> Memory:
    """``memory`` at ``now``, before anything is looked at.

    A clock that went back voids the windows, and a long silence what they would say of the time in between: then the
    stabilisation window and the cooldown begin anew, from the number that is there.
    """
    if now < memory.at:
        fresh = Memory.starting(workers.desired, now)
        return replace(
            fresh, counters=memory.counters, measured=memory.measured, startup=replace(memory.startup, groups=())
        )
    if now - memory.at > LONGEST_GAP_SECONDS:
        fresh = Memory.starting(workers.desired, now)
        return replace(memory, wishes=fresh.wishes, numbers=fresh.numbers, idle_since=None)
    return memory


def lowest(policy: Policy, memory: Memory, current: int) -> int:
    """The fewest workers that stabilisation and the rate limit let through now; never more than ``current``."""
    most = memory.numbers.value
    step = max(1, most * policy.scale_down_percent // 100)
    return min(current, max(memory.wishes.value, most - step))


def held_back(policy: Policy, workers: Workers, memory: Memory, now: float, wish: Wish) -> Wish:
    """``wish`` with what a rollout and the cooldown have to say; the only way to zero."""
    if workers.rolling and wish.replicas < workers.desired:
        return Wish(workers.desired, "RolloutInProgress")
    if policy.min_replicas > 0 or wish.replicas != 1 or memory.idle_since is None:
        return wish
    if now - memory.idle_since < policy.cooldown_seconds:
        return Wish(1, "CoolingDown")
    if workers.rolling:
        return Wish(1, "RolloutInProgress")
    return Wish(0, "ScaledToZero") if memory.wishes.value <= 1 else wish


def bounded(policy: Policy, workers: Workers, memory: Memory, wish: Wish, least: int) -> Wish:
    """``wish`` within what has a node and what the spec allows.

    Args:
        policy: gives minimum and maximum.
        workers: as observed.
        memory: knows what was scheduled when a rollout began.
        wish: the number so far.
        least: what would do, were there no windows.
    """
    number = wish.replicas if workers.unschedulable <= 0 else min(wish.replicas, room(memory, workers))
    final = clamp(policy, number)
    if workers.unschedulable > 0 and (number < wish.replicas or least > scheduled(workers)):
        return Wish(final, "GpuStarved")
    if final < number:
        return Wish(final, "AtMaximum")
    if final > number or 0 < least < policy.min_replicas == final:
        return Wish(final, "AtMinimum")
    return Wish(final, wish.reason)


def room(memory: Memory, workers: Workers) -> int:
    """The most workers to ask for while pods find no node.

    One more than are scheduled, so that a GPU that comes free is used. In a rollout none more: the pod that waits would
    be the one that may be unavailable, and the rollout would stand still for ever. What was scheduled when it began
    counts then, since each pod that is replaced has no node for a while.
    """
    if workers.rolling:
        return max(1, memory.fits)
    return scheduled(workers) + 1


def watch_rollout(memory: Memory, workers: Workers) -> Memory:
    """``memory`` with what is scheduled now."""
    now = scheduled(workers)
    return replace(memory, fits=max(memory.fits, now) if workers.rolling else now)


def scheduled(workers: Workers) -> int:
    """Workers that have a node: ready, or starting."""
    return max(0, workers.ready) + max(0, workers.starting)
