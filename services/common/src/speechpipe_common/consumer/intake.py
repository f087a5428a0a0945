"""How a consumer comes by new jobs, and by the place in which the first of them is handled."""

import asyncio
from typing import Any, Final

from speechpipe_common.consumer.group import Delivered, Group
from speechpipe_common.consumer.handler import Gate
from speechpipe_common.consumer.slots import Place, Slots

BLOCK_MS: Final = 1000
"""How long a read waits for news. A read is never cancelled (its jobs would be nobody's for the claim idle time), so
this is also how long an idle worker may take to notice that it should stop."""

HOLD_SECONDS: Final = 0.2
"""How long a look for jobs may keep a place from the consumers of other Redis; a healthy one answers in a fraction."""


class Intake:
    """Reads new jobs for one consumer.

    The look is made from a place, so that a worker takes no more than it can begin with; the wait for news is not,
    since other Redis may have jobs meanwhile. What comes to several waits at once waits with the consumers, a batch
    each at most.

    Args:
        group: where from.
        slots: the worker's places.
        max_batch: most jobs of one batch.
        block_ms: how long a wait lasts.
        gate: waits until the handler wants more jobs; None: whenever a place is free.
    """

    def __init__(self, group: Group, slots: Slots, max_batch: int, block_ms: int, gate: Gate | None = None) -> None:
        self._group = group
        self._slots = slots
        self._max_batch = max_batch
        self._block_ms = block_ms
        self._gate = gate

    async def wanted(self, stopping: "asyncio.Task[bool]") -> bool:
        """Wait until a place is free and the handler wants more; False when it is time to stop instead."""
        if not await self._slots.room(stopping) or self._gate is None:
            return not stopping.done()
        opening = asyncio.ensure_future(self._gate())
        first: set[asyncio.Future[Any]] = {opening, stopping}
        try:
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        finally:
            opening.cancel()
        return not stopping.done()

    async def read(self, stopping: "asyncio.Task[bool]") -> tuple[Place | None, list[list[Delivered]]]:
        """Batches, none where none came or it is time to stop, and the place for the first where it is held already.

        Raises:
            redis.RedisError: NOGROUP, or Redis is away.
        """
        place = await self._slots.take(stopping)
        if place is None:
            return None, []
        look = asyncio.ensure_future(self._group.look(self._max_batch))
        try:
            await asyncio.wait({look}, timeout=HOLD_SECONDS)
            if not look.done():
                place.leave()
            batches = await look
        except BaseException:
            place.leave()
            raise
        if batches:
            return (None if place.left else place), batches
        place.leave()
        return None, await self._group.wait(self._max_batch, self._block_ms)
