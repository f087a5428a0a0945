"""The loop: what is read or claimed is handled, kept alive meanwhile, and never left without an owner."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from redis.exceptions import RedisError

from speechpipe_common.consumer.busy import BusyClock, BusyReport
from speechpipe_common.consumer.cordon import LOOK_SECONDS, Cordon
from speechpipe_common.consumer.delivery import DeliveryPolicy, is_away, is_missing_group, reason_to_give_up
from speechpipe_common.consumer.group import Delivered, Group
from speechpipe_common.consumer.handler import Burier, Entry, Gate, Handler
from speechpipe_common.consumer.intake import BLOCK_MS, Intake
from speechpipe_common.consumer.link import RedisLink
from speechpipe_common.consumer.redelivery import Redelivery
from speechpipe_common.consumer.slots import Place, Slots
from speechpipe_common.consumer.traces import UNTRACED, JobTraces
from speechpipe_common.logs import get_logger
from speechpipe_common.messages import MessageError
from speechpipe_common.metrics import ConsumerMetrics, HandedBack
from speechpipe_common.store import JobRef
from speechpipe_common.tracing import Span

FAREWELL_SECONDS: Final = 3.0
"""How long a stopping worker tries to hand its jobs back when Redis is away; after it, peers claim them as overdue."""

J = TypeVar("J")
_log = get_logger(__name__)


class Consumer(Generic[J]):
    """One worker of a group, from its first read to its leaving.

    Args:
        group: the streams, most urgent first, and this consumer's name in their group.
        decode: reads a payload; raises ``MessageError`` for what is no job, which is then buried at once.
        handler: does the work, on the event loop: long computing belongs into an executor.
        store: buries what is malformed or was delivered too often.
        policy: times and bounds.
        link: what this process knows of Redis, shared with the handler.
        metrics: counts it all.
        slots: how many calls of the handler there may be at a time, shared with the consumers of other Redis; None:
            one. A redelivered job runs while nothing else does.
        busy: the worker's, shared likewise; None: this is all that it does.
        max_batch: most entries of one call of the handler.
        gate: waits until the handler wants more jobs; nothing is read before. None: whenever a call is free.
        block_ms: how long a read waits for news.
        traces: records spans of jobs.
    """

    def __init__(
        self,
        group: Group,
        *,
        decode: Callable[[bytes], J],
        handler: Handler[J],
        store: Burier,
        policy: DeliveryPolicy,
        link: RedisLink,
        metrics: ConsumerMetrics,
        slots: Slots | None = None,
        busy: BusyClock | None = None,
        max_batch: int = 1,
        gate: Gate | None = None,
        block_ms: int = BLOCK_MS,
        traces: JobTraces = UNTRACED,
    ) -> None:
        self._group = group
        self._decode = decode
        self._handler = handler
        self._store = store
        self._policy = policy
        self._link = link
        self._metrics = metrics
        self._slots = slots or Slots(1)
        metrics.expect(group.streams)
        self._intake = Intake(group, self._slots, max_batch, block_ms, gate)
        self._traces = traces
        self._held: set[JobRef] = set()
        self._running: dict[asyncio.Task[None], list[JobRef]] = {}
        self._places: set[Place] = set()
        self._redelivery = Redelivery(group, self._slots, policy, link, metrics, self._held)
        self._cordon = Cordon(group, link, policy)
        self._busy = BusyReport(group, busy or BusyClock(time.monotonic))
        self._joined = False
        if self._slots.shared:
            link.on_lost = self._leave_places

    def check(self) -> str | None:
        """For readiness: None once jobs have been asked for, else why not."""
        return None if self._joined else "has not read from its streams yet"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set, then finish what runs, hand back the rest, and leave the group.

        Raises:
            ExceptionGroup: of a ``redis.RedisError`` that waiting does not mend (no permission, a key of another type).
        """
        async with asyncio.TaskGroup() as tasks:
            duties = (self._keep_alive, self._delete_silent, self._busy.run)
            background = [tasks.create_task(duty()) for duty in duties]
            stopping = tasks.create_task(stop.wait())
            while not stop.is_set():
                await self._attempt(lambda: self._turn(tasks, stopping))
            await self._drain()
            for task in background:
                task.cancel()

    async def _turn(self, tasks: asyncio.TaskGroup, stopping: "asyncio.Task[Any]") -> None:
        """Run one claimed job alone, or start one read's worth of new ones."""
        if not await self._intake.wanted(stopping):
            return
        if await self._cordon.holds():
            await asyncio.wait({stopping}, timeout=LOOK_SECONDS)
            return
        if await self._redelivery.overdue():
            claimed, lone = await self._redelivery.take(stopping)
            if claimed is not None:
                self._hold([claimed])
                if lone := lone or await self._slots.take(stopping, alone=True):
                    self._start(tasks, [claimed], lone)
            return
        place, batches = await self._intake.read(stopping)
        self._took(batches)
        for batch in batches:
            place = place or await self._slots.take(stopping)
            if place is not None:
                self._start(tasks, batch, place)
                place = None

    def _took(self, batches: Sequence[Sequence[Delivered]]) -> None:
        self._joined = True
        self._link.answered()
        for batch in batches:
            self._metrics.claimed(batch[0].ref.stream, len(batch))
            self._hold(batch)

    def _leave_places(self) -> None:
        """Redis is away, and what runs will wait for it: let the batches of others run."""
        for place in self._places:
            place.leave()

    def _start(self, tasks: asyncio.TaskGroup, batch: Sequence[Delivered], place: Place) -> None:
        task = tasks.create_task(self._process(batch))
        self._running[task] = [item.ref for item in batch]
        self._places.add(place)

        def over(_: "asyncio.Task[None]") -> None:
            del self._running[task]
            self._places.discard(place)
            place.leave()

        task.add_done_callback(over)

    async def _process(self, batch: Sequence[Delivered]) -> None:
        spans = {item.ref: self._traces.begin(item) for item in batch}
        try:
            reason = await self._handle(batch, spans)
            for ref in await self._give_back(list(spans), reason):
                spans[ref].fail(reason)
        finally:
            for span in spans.values():
                span.end()

    async def _handle(self, batch: Sequence[Delivered], spans: Mapping[JobRef, Span]) -> HandedBack:
        """Let the handler settle a batch; returns why jobs that are still unsettled are handed back."""
        try:
            with self._metrics.busy(), self._busy.running(batch[0].ref.stream):
                entries = [entry for item in batch if (entry := await self._open(item, spans[item.ref]))]
                if entries:
                    await self._handler(entries)
        except RedisError as error:
            if not is_away(error):
                raise
            await self._link.lost(error)
            return "redis"
        except Exception:  # noqa: BLE001 - a job's failure must not end the worker; the deliveries bound it
            _log.exception("handler_failed", entries=[item.ref.entry for item in batch])
            return "failed"
        return "unsettled"

    async def _open(self, item: Delivered, span: Span) -> Entry[J] | None:
        """Decode a job, or bury it: None."""
        reason = reason_to_give_up(item.deliveries, self._policy)
        if reason is None and item.payload is not None:
            try:
                return Entry(item.ref, self._decode(item.payload), item.payload, item.deliveries, span)
            except MessageError as error:
                reason = str(error)
        payload, why = item.payload or b"", reason or "the entry has no field 'job'"
        outcome = await self._link.insist(lambda: self._store.bury(item.ref, payload, why, item.deliveries))
        self._metrics.settled(item.ref.stream, outcome)
        span.fail("buried")
        _log.error("job_buried", stream=item.ref.stream, entry=item.ref.entry, deliveries=item.deliveries, reason=why)
        return None

    async def _give_back(self, refs: Sequence[JobRef], reason: HandedBack) -> set[JobRef]:
        """Hand back what is still unsettled of ``refs``, and let go of all of them; returns what was handed back."""
        refund = reason == "redis"
        left = await self._link.insist(lambda: self._group.hand_back(refs, refund=refund))
        for ref in left:
            self._metrics.handed_back(ref.stream, reason, 1)
        if left:
            self._redelivery.look_soon()
            _log.warning("jobs_handed_back", reason=reason, entries=[ref.entry for ref in left])
        self._let_go(refs)
        return left

    def _hold(self, batch: Sequence[Delivered]) -> None:
        before = len(self._held)
        self._held.update(item.ref for item in batch)
        self._metrics.in_flight(len(self._held) - before)

    def _let_go(self, refs: Iterable[JobRef]) -> None:
        before = len(self._held)
        self._held.difference_update(refs)
        self._metrics.in_flight(len(self._held) - before)

    async def _drain(self) -> None:
        started = {ref for refs in self._running.values() for ref in refs}
        await self._farewell(lambda: self._give_back(list(self._held - started), "stopping"))
        if self._running:
            await asyncio.wait(self._running, timeout=self._policy.drain)
        cancelled = list(self._running)
        for task in cancelled:
            task.cancel()
        if cancelled:
            await asyncio.wait(cancelled)
        await self._farewell(lambda: self._give_back(list(self._held), "stopping"))
        await self._farewell(self._busy.send)
        await self._farewell(lambda: self._link.insist(self._group.leave))

    async def _farewell(self, call: Callable[[], Awaitable[object]]) -> None:
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await call()
        except TimeoutError:
            _log.warning("left_without_goodbye", entries=[ref.entry for ref in self._held])

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(self._policy.heartbeat)
            if self._held:
                await self._link.insist(self._beat)

    async def _beat(self) -> None:
        held = set(self._held)
        kept, taken = await self._group.keep_alive(list(held))
        for ref in taken:
            self._metrics.lost(ref.stream, 1)
            _log.warning("job_taken_over", stream=ref.stream, entry=ref.entry)
        self._let_go(held - kept)

    async def _delete_silent(self) -> None:
        while True:
            for name in await self._link.insist(lambda: self._group.delete_silent(self._policy.dead_consumer)):
                _log.info("silent_consumer_deleted", consumer=name)
            await asyncio.sleep(self._policy.dead_consumer / 5)

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except (RedisError, OSError) as error:
            if is_missing_group(error):
                await self._attempt(self._group.create)
            elif is_away(error):
                await self._link.lost(error)
            else:
                raise
        else:
            self._link.answered()
