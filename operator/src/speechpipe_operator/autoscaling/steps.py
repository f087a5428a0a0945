"""From the number of workers decided to what is done about it now: cordon, wait, mark, scale; or take it all back.

Level-based and pure: everything follows from what is seen, so that an operator that has just started goes on where the
one before it was stopped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from speechpipe_operator.autoscaling.crew import Hand, choose_victims, is_alive, removable
from speechpipe_operator.observed import WorkloadState


@dataclass(frozen=True, slots=True)
class Steps:
    """What to do now; names are those of pods."""

    replicas: int | None = None
    """The number to ask for; None: leave it."""
    cordon: tuple[str, ...] = ()
    """To be told to take no more, or to be told again before it forgets."""
    uncordon: tuple[str, ...] = ()
    mark: tuple[Hand, ...] = ()
    """To be made the first that their ReplicaSet lets go."""
    unmark: tuple[Hand, ...] = ()
    waits_for: tuple[Hand, ...] = field(default=())
    """Victims that hold work, or have not said yet that they take none."""


def next_steps(wanted: int, workload: WorkloadState, hands: Sequence[Hand]) -> Steps:
    """What brings ``workload`` to ``wanted`` workers without ending one that holds work.

    Args:
        wanted: the number decided.
        workload: as seen; what it says of itself must be newer than whatever was done to it last.
        hands: all workers that were seen.
    """
    alive = [hand for hand in hands if is_alive(hand.pod)]
    cordoned = tuple(hand.pod.name for hand in alive if hand.cordon)
    more = wanted if wanted > workload.desired else None
    if workload.observed_generation < workload.generation:
        # A number that was asked for is on its way: whoever is cordoned may be about to be ended.
        return Steps(replicas=more, cordon=cordoned)
    if workload.rolling or len({hand.pod.owner for hand in alive}) > 1:
        # Costs mean nothing between ReplicaSets; the rollout decides who goes.
        homeless = sum(hand.pod.unschedulable is not None for hand in alive)
        fewer = max(wanted, workload.desired - homeless)
        # Pods that wait for a place hold a rollout up for ever: those of before give none up while too many are wanted.
        return _release(alive, set(), Steps(replicas=more if more or fewer >= workload.desired else fewer))
    leaving = len(alive) - min(wanted, workload.desired)
    victims = choose_victims(alive, leaving)
    names = {hand.pod.name for hand in victims}
    return _release(alive, names, _advance(wanted, workload, alive, victims))


def _advance(wanted: int, workload: WorkloadState, alive: Sequence[Hand], victims: Sequence[Hand]) -> Steps:
    replicas = wanted
    if wanted < workload.desired:
        # Where the two views disagree, one of them is old, and a pod that was not seen may be the one that goes.
        settled = workload.existing == len(alive)
        fewest = len(alive) - removable(alive, victims)
        replicas = min(workload.desired, max(wanted, fewest)) if settled else workload.desired
    running = [hand for hand in victims if hand.pod.scheduled]
    return Steps(
        replicas=None if replicas == workload.desired else replicas,
        cordon=tuple(hand.pod.name for hand in running),
        mark=tuple(hand for hand in running if hand.drained and not hand.marked),
        unmark=tuple(hand for hand in running if hand.marked and not hand.drained),
        waits_for=tuple(hand for hand in running if not hand.drained),
    )


def _release(alive: Sequence[Hand], victims: set[str], steps: Steps) -> Steps:
    """Those who may stay after all are told so, and cost what everybody costs."""
    staying = [hand for hand in alive if hand.pod.name not in victims]
    return Steps(
        replicas=steps.replicas,
        cordon=steps.cordon,
        uncordon=tuple(hand.pod.name for hand in staying if hand.cordon),
        mark=steps.mark,
        unmark=(*steps.unmark, *(hand for hand in staying if hand.marked or hand.pod.cordoned)),
        waits_for=steps.waits_for,
    )
