"""How many managed Redis there are while their number changes, so that no session is ever on one that is not read, or
on one that goes. Decisions only: values and a clock go in.

More: the new ones start, the workers are replaced and read them, and only then the gateways are, and place sessions
there. Fewer: the gateways are replaced and place no more sessions on those that are to go; each of them goes, the last
one first, when it holds neither a session (one that can still be resumed counts) nor a job.
"""

import time
from collections.abc import Callable
from typing import Final

from speechpipe_common.shards import MOST_SHARDS
from speechpipe_operator.objects import Ref, child_name
from speechpipe_operator.observed import Observed, Occupancy
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.reconcile.cache import ChildCache, PipelineKey
from speechpipe_operator.shards import Shards, is_redis, shard_name

MOST: Final = 20_000
"""Pipelines remembered; beyond it all are forgotten, and their changes begin anew."""


def existing_shards(cache: ChildCache, key: PipelineKey, uid: str) -> int:
    """How many shards a pipeline has, those between counted too: 1 + the highest number of a StatefulSet of its own."""
    children = cache.children(key)
    sets = (children.get(Ref("StatefulSet", child_name(key.name, shard_name(number)))) for number in range(MOST_SHARDS))
    return max((number for number, known in enumerate(sets, 1) if known is not None and known.owner == uid), default=0)


class ShardRollout:
    """What each pipeline's pods were told last. It forgets with the process: then a change that is under way begins
    anew, and gateways that were to wait for workers do not wait.

    Args:
        clock: monotonic seconds, the scaler's.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[str, Shards] = {}
        self._settled: dict[str, tuple[int, float]] = {}
        """Number of shards that all gateways place sessions on, and since when that has been so."""

    def decide(self, uid: str, wanted: int, existing: int, observed: Observed, occupancy: Occupancy | None) -> Shards:
        """How many there are to be now.

        Args:
            uid: of the pipeline.
            wanted: what the spec says.
            existing: how many there are.
            observed: the children, before they are applied.
            occupancy: what is on those that are to go, where it has been looked at.
        """
        running = max(wanted, self._kept(uid, wanted, existing, observed, occupancy))
        told, known = self._told.get(uid), running
        if told is not None and told.known < running and not self._are_read(uid, running, observed):
            known = told.known
        return Shards(running, known, min(wanted, known))

    def applied(self, uid: str, shards: Shards) -> None:
        """All children have been applied so."""
        if len(self._told) >= MOST:
            self._told.clear()
            self._settled.clear()
        self._told[uid] = shards

    def _kept(self, uid: str, wanted: int, existing: int, observed: Observed, occupancy: Occupancy | None) -> int:
        """How many of the existing ones must stay."""
        if existing <= wanted or not self._is_placed(uid, wanted, observed):
            self._settled.pop(uid, None)
            return existing
        placing, since = self._settled.get(uid, (wanted, self._clock()))
        if placing != wanted:
            since = self._clock()
        self._settled[uid] = wanted, since
        if occupancy is None or occupancy.error or occupancy.began <= since:
            return existing
        empty = {use.shard for use in occupancy.uses if use.empty}
        return max((number + 1 for number in range(wanted, existing) if number not in empty), default=wanted)

    def _is_placed(self, uid: str, wanted: int, observed: Observed) -> bool:
        """Whether no gateway is left, not even one that is ending, that places sessions on those that are to go."""
        told, gateway = self._told.get(uid), observed.workload(GATEWAY)
        if told is None or told.placing > wanted or gateway is None or gateway.rolling:
            return False
        return not any(pod.terminating for pod in observed.pods_of(GATEWAY))

    def _are_read(self, uid: str, running: int, observed: Observed) -> bool:
        """Whether all the new ones are ready, and every worker reads them."""
        if self._told[uid].running != running:
            return False
        others = [item for item in observed.workloads if item.component != GATEWAY]
        ready = sum(is_redis(item.component) and item.ready >= item.desired for item in others)
        return ready >= running and not any(item.rolling for item in others)
