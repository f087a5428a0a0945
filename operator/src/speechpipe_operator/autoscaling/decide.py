"""How many workers a stage should have. Pure: an observation, a memory and the time in; a decision and a memory out.

``desired = ceil((λ + work/T) / (μ · utilization))``: λ is what arrives (and a share for partials, and what the stage
before is about to send), μ what a worker does in a *busy* second, T the drain target. There are two views of λ: a long
window, and short ones that show a rise at once, less what may be chance. The higher raises the number when that is
clearly off. There are fewer workers only when fewer would have done for the whole stabilisation window.
"""

from dataclasses import replace

from speechpipe_operator.autoscaling.estimate import estimate, remember
from speechpipe_operator.autoscaling.limits import (
    RATE_SECONDS,
    bounded,
    catch_up,
    clamp,
    held_back,
    lowest,
    watch_rollout,
)
from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.need import Wish, enough, raised
from speechpipe_operator.autoscaling.sentences import explain
from speechpipe_operator.autoscaling.types import Decision, Observation, Policy, Workers


def decide(policy: Policy, observation: Observation, memory: Memory, now: float) -> tuple[Decision, Memory]:
    """How many workers there should be at ``now``, and what to remember until the next time.

    Args:
        policy: may change from one call to the next.
        observation: as of ``now``.
        memory: as returned by the call before, or ``Memory.starting``.
        now: seconds of any clock; one that jumps or goes back costs no worker.
    """
    workers, backlog = observation.workers, observation.backlog
    memory = watch_rollout(catch_up(memory, workers, now), workers)
    memory = replace(memory, at=now, numbers=memory.numbers.add(now, RATE_SECONDS, workers.desired))
    if backlog is None or not backlog.trusted:
        return _hold(policy, observation, memory, now)
    memory = remember(policy, observation, backlog, memory, now)
    load = estimate(policy, observation, backlog, memory)
    wish = raised(policy, workers, load)
    least = wish.replicas if wish.replicas > workers.desired else enough(policy, workers, load)
    memory = replace(memory, wishes=memory.wishes.add(now, policy.stabilization_seconds, least))
    if least < workers.desired:
        wish = _lowered(policy, workers, memory, least)
    wish = held_back(policy, workers, memory, now, wish)
    final = bounded(policy, workers, memory, wish, least)
    detail = explain(final, policy, observation, load, least)
    return Decision(final.replicas, final.reason, detail, True, load.rate, load.speed, load.work), memory


def _hold(policy: Policy, observation: Observation, memory: Memory, now: float) -> tuple[Decision, Memory]:
    """The number as it is. Nothing is known of this moment, so the cooldown and the windows begin anew after it."""
    current = observation.workers.desired
    why = observation.error if observation.backlog is None else observation.backlog.doubt
    memory = replace(memory, idle_since=None, wishes=memory.wishes.add(now, policy.stabilization_seconds, current))
    detail = f"The number stays at {current}: {why or 'the backlog is not known'}"
    return Decision(clamp(policy, current), "Hold", detail, valid=False), memory


def _lowered(policy: Policy, workers: Workers, memory: Memory, least: int) -> Wish:
    allowed = max(least, lowest(policy, memory, workers.desired))
    if allowed == workers.desired:
        return Wish(allowed, "Stabilizing")
    return Wish(allowed, "Draining" if workers.draining > 0 else "ScaledDown")
