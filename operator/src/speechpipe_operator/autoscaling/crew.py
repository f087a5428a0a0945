"""The workers of a stage as the cluster and Redis together show them. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from speechpipe_operator.autoscaling.types import Workers
from speechpipe_operator.observed import Observed, PodState

Cordon = Literal["", "asked", "seen"]
"""None; the worker is to take no more jobs; it takes none."""

QUIET_SECONDS: Final = 10.0
"""A worker that is not ready, holds nothing and has said nothing for so long after it was cordoned has no part in its
group: it does not run yet, or not any more. One that runs looks at its cordon every second."""

VICTIM_COST: Final = -(2**31)
"""The lowest there is, so that no other pod of the same ReplicaSet goes before a victim."""


@dataclass(frozen=True, slots=True)
class Hand:
    """One worker; the name of its pod is its name in the consumer group."""

    pod: PodState
    pending: int = 0
    """Jobs that it holds, partials included."""
    cordon: Cordon = ""
    cordoned_for: float = 0.0
    """Seconds since the cordon was first seen by this process."""

    @property
    def marked(self) -> bool:
        """Whether its ReplicaSet would let it go before others."""
        return self.pod.deletion_cost == VICTIM_COST

    @property
    def drained(self) -> bool:
        """Whether it holds no job and will get none."""
        if not self.pod.scheduled:
            return True
        if self.pending > 0 or not self.cordon:
            return False
        return self.cordon == "seen" or (not self.pod.ready and self.cordoned_for >= QUIET_SECONDS)


def is_alive(pod: PodState) -> bool:
    """Whether its ReplicaSet counts it (``IsPodActive`` in k8s.io/kubernetes/pkg/controller)."""
    return not pod.terminating and pod.phase not in ("Succeeded", "Failed")


def workers_of(observed: Observed, component: str, cordoned: Collection[str]) -> Workers | None:
    """What a decision wants to know of a component; None before its Deployment has been seen.

    Pods that are asked for and not created, or not looked at by the scheduler yet, are starting: neither takes long.
    """
    workload = observed.workload(component)
    if workload is None:
        return None
    pods = observed.pods_of(component)
    alive = [pod for pod in pods if is_alive(pod)]
    waiting = [pod for pod in alive if not pod.scheduled and pod.unschedulable]
    starting = [pod for pod in alive if not pod.ready and pod not in waiting and not pod.trouble]
    absent = max(0, workload.desired - len(alive)) if workload.failure is None else 0
    standing_aside = [pod for pod in alive if pod.ready and pod.name in cordoned]
    return Workers(
        desired=workload.desired,
        ready=sum(pod.ready for pod in alive) - len(standing_aside),
        starting=len(starting) + absent,
        unschedulable=len(waiting),
        draining=len(standing_aside) + sum(pod.terminating for pod in pods),
        rolling=workload.rolling,
    )


def deletion_class(pod: PodState) -> int:
    """Where its ReplicaSet ranks a pod before it looks at costs: lower goes first.

    ``ActivePodsWithRanks`` in k8s.io/kubernetes/pkg/controller: unassigned, Pending, Unknown, NotReady, then the rest.
    """
    if not pod.scheduled:
        return 0
    phases = {"Pending": 1, "Unknown": 2}
    return phases.get(pod.phase, 4 if pod.ready else 3)


def choose_victims(hands: Iterable[Hand], count: int) -> tuple[Hand, ...]:
    """The ``count`` workers that are to go, first one first.

    The ReplicaSet's own classes come first, whatever we would rather have: a pod that is not ready goes before any that
    is. Within one: those on their way out already, then those with the least in hand, then the youngest.
    """

    def rank(hand: Hand) -> tuple[int, bool, bool, bool, int, float, str]:
        pod = hand.pod
        return (
            deletion_class(pod),
            not hand.marked,
            hand.cordon != "seen",
            hand.cordon == "",
            hand.pending,
            -pod.created,
            pod.name,
        )

    return tuple(sorted(hands, key=rank)[: max(0, count)])


def removable(hands: Sequence[Hand], victims: Collection[Hand]) -> int:
    """How many pods fewer the ReplicaSet may have now, so that it takes victims alone, drained ones.

    It takes class by class, so a class counts only when all before it go entirely; within one, cost decides, so only
    marked ones count, and none where one is marked that may not go. Pods without a node need no mark: none of them
    holds anything.
    """
    leaving = set(victims)
    count = 0
    for rank in sorted({deletion_class(hand.pod) for hand in hands}):
        members = [hand for hand in hands if deletion_class(hand.pod) == rank]
        going = [hand for hand in members if hand in leaving and hand.drained and (hand.marked or rank == 0)]
        if rank and any(hand.marked and hand not in going for hand in members):
            break
        count += len(going)
        if len(going) < len(members):
            break
    return count
