"""A whole worker process around a handler: logs, health, Redis, the model's loading, the loop, the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from speechpipe_common.consumer.busy import BusyClock
from speechpipe_common.consumer.delivery import DeliveryPolicy
from speechpipe_common.consumer.group import Group
from speechpipe_common.consumer.handler import Gate, Handler
from speechpipe_common.consumer.intake import BLOCK_MS
from speechpipe_common.consumer.loop import Consumer
from speechpipe_common.consumer.shards import (
    ShardContext,
    WorkerContext,
    depth,
    notices,
    open_shards,
)
from speechpipe_common.consumer.slots import Slots
from speechpipe_common.consumer.traces import JobTraces
from speechpipe_common.health import Check, HealthServer, HealthSource, all_failing
from speechpipe_common.keys import Keys
from speechpipe_common.logs import get_logger
from speechpipe_common.metrics import ConsumerMetrics, process_registry
from speechpipe_common.process import instance_name
from speechpipe_common.settings import WorkerSettings
from speechpipe_common.tracing import open_tracing

SHORTEST_BLOCK_MS: Final = 200
"""A worker that has begun with a job of one shard still waits for news of the others, and may be given a job of each:
the shorter it waits, the sooner others are given them."""

J = TypeVar("J")
_log = get_logger(__name__)


async def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work(Generic[J]):
    """What a worker does: which streams, and with which handler (see ``Consumer``)."""

    streams: Sequence[str]
    group: str
    decode: Callable[[bytes], J]
    handler: Callable[[ShardContext], Handler[J]]
    """Makes the handler of one shard's jobs; called once for each."""
    max_batch: int = 1
    parallel: int = 1
    gate: Gate | None = None
    checks: Mapping[str, Check] = field(default_factory=dict)
    """More conditions for readiness."""
    close: Callable[[], Awaitable[None]] = _nothing
    """Called after the drain."""


async def serve_worker(
    settings: WorkerSettings,
    component: str,
    load: Callable[[WorkerContext], Awaitable[Work[J]]],
    stop: asyncio.Event,
) -> None:
    """Serve health at once, ``load`` (a model may take its time), then consume until ``stop`` is set, and drain.

    Raises:
        HealthPortError: the health port is taken.
        Exception: what ``load`` raises, or a Redis error that waiting does not mend.
    """
    context = _context(settings, component)
    shards = open_shards(settings, context)
    streams: list[str] = []
    redis = all_failing([shard.link.check for shard in shards])
    checks: dict[str, Check] = {"redis": redis, "model": lambda: "is loading"}
    source = HealthSource(
        instance_id=context.instance_id,
        registry=context.registry,
        checks=checks,
        notices=notices(shards),
        queue_depth=lambda: depth(shards, streams),
    )
    try:
        async with HealthServer(source, settings.health_host, settings.health_port) as server:
            _log.info("health_served", port=server.port)
            work = await _unless(stop, load(context))
            if work is None:
                return
            streams += work.streams
            consumers = _consumers(settings, shards, work, component)
            del checks["model"]
            checks.update(work.checks, consumer=all_failing([consumer.check for consumer in consumers]))
            _log.info("worker_started", streams=streams, max_batch=work.max_batch, parallel=work.parallel)
            try:
                await _consume(consumers, stop)
            finally:
                await work.close()
            _log.info("worker_stopped")
    finally:
        for shard in shards:
            await shard.redis.aclose()
        await context.tracing.close()


async def _consume(consumers: Sequence[Consumer[J]], stop: asyncio.Event) -> None:
    async with asyncio.TaskGroup() as tasks:
        for consumer in consumers:
            tasks.create_task(consumer.run(stop))


def _context(settings: WorkerSettings, component: str) -> WorkerContext:
    registry = process_registry()
    instance = instance_name(component, settings.instance_id)
    return WorkerContext(
        instance_id=instance,
        keys=Keys(settings.key_prefix),
        metrics=ConsumerMetrics(registry),
        registry=registry,
        tracing=open_tracing(settings, component, instance),
    )


def _consumers(
    settings: WorkerSettings, shards: Sequence[ShardContext], work: Work[J], component: str
) -> list[Consumer[J]]:
    """One for each shard; they share what the process can do at a time."""
    slots, busy = Slots(work.parallel, shared=len(shards) > 1), BusyClock(time.monotonic)
    policy = DeliveryPolicy(
        claim_idle=settings.claim_idle_seconds,
        max_deliveries=settings.max_deliveries,
        drain=settings.drain_seconds,
    )
    return [
        Consumer(
            Group(shard.redis, work.streams, work.group, shard.instance_id, shard.keys),
            decode=work.decode,
            handler=work.handler(shard),
            store=shard.store,
            policy=policy,
            link=shard.link,
            metrics=shard.metrics,
            slots=slots,
            busy=busy,
            max_batch=work.max_batch,
            gate=work.gate,
            block_ms=max(SHORTEST_BLOCK_MS, BLOCK_MS // len(shards)),
            traces=JobTraces(shard.tracing, f"{component} job"),
        )
        for shard in shards
    ]


async def _unless(stop: asyncio.Event, loading: Awaitable[Work[J]]) -> Work[J] | None:
    """What ``loading`` returns, or None when it is time to stop before that."""
    task = asyncio.ensure_future(loading)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        task.cancel()
        stopping.cancel()
