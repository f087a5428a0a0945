"""What other workers have left: found, and taken over only when it can run alone."""

import asyncio
import time
from collections.abc import Collection
from typing import Any

from speechpipe_common.consumer.delivery import DeliveryPolicy, Overdue, choose, may_claim
from speechpipe_common.consumer.group import Delivered, Group
from speechpipe_common.consumer.intake import HOLD_SECONDS
from speechpipe_common.consumer.link import RedisLink
from speechpipe_common.consumer.slots import Place, Slots
from speechpipe_common.metrics import ConsumerMetrics
from speechpipe_common.store import JobRef


class Redelivery:
    """Looks for overdue jobs for one consumer, and takes them over one by one.

    Args:
        group: where they are.
        slots: the worker's places.
        policy: when a job is overdue, and how often it is looked for.
        link: knows whether Redis was away.
        metrics: counts.
        held: what this consumer has in hand, kept by its owner.
    """

    def __init__(
        self,
        group: Group,
        slots: Slots,
        policy: DeliveryPolicy,
        link: RedisLink,
        metrics: ConsumerMetrics,
        held: Collection[JobRef],
    ) -> None:
        self._group = group
        self._slots = slots
        self._policy = policy
        self._link = link
        self._metrics = metrics
        self._held = held
        self._look_at = 0.0

    def look_soon(self) -> None:
        """Something was handed back: do not wait for the next look."""
        self._look_at = 0.0

    async def overdue(self) -> tuple[str, Overdue] | None:
        """The job that may be claimed next, with its stream; None too where it is not time to look."""
        now = time.monotonic()
        if now < self._look_at or not may_claim(now, self._link.regained_at, self._policy):
            return None
        held = {ref.entry for ref in self._held}
        for stream in self._group.streams:
            if found := choose(await self._group.overdue(stream, self._policy.claim_idle, len(held) + 1), held):
                return stream, found
        self._look_at = now + self._policy.look_for_overdue
        return None

    async def take(self, stopping: "asyncio.Task[Any]") -> tuple[Delivered | None, Place | None]:
        """Wait until nothing else runs in the process, then claim an overdue job; it, and all places.

        A job that brings the process down takes nothing along then, and what else is overdue is not claimed yet: a job
        that only waited here would count as delivered by that fall. Nothing, where it is time to stop or a peer was
        first; a job without a place, where its Redis hung while others wanted to run.

        Raises:
            redis.RedisError: NOGROUP, or Redis is away.
        """
        place = await self._slots.take(stopping, alone=True)
        if place is None:
            return None, None
        claim = asyncio.ensure_future(self._claim())
        try:
            await asyncio.wait({claim}, timeout=HOLD_SECONDS)
            if not claim.done():
                place.leave()
            claimed = await claim
        except BaseException:
            place.leave()
            raise
        if claimed is None:
            place.leave()
        return claimed, (None if place.left else place)

    async def _claim(self) -> Delivered | None:
        overdue = await self.overdue()
        claimed = await self._group.claim(*overdue, self._policy.claim_idle) if overdue else None
        if claimed:
            self._metrics.redelivered(claimed.ref.stream)
        return claimed
