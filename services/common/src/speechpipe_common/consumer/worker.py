"""A whole worker process around a handler: logs, health, Redis, the model's loading, the loop, the end."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from speechpipe_common.consumer.delivery import DeliveryPolicy
from speechpipe_common.consumer.group import Group
from speechpipe_common.consumer.handler import Gate, Handler
from speechpipe_common.consumer.link import RedisLink
from speechpipe_common.consumer.loop import Consumer
from speechpipe_common.consumer.traces import JobTraces
from speechpipe_common.health import Check, HealthServer, HealthSource
from speechpipe_common.keys import Keys
from speechpipe_common.logs import get_logger
from speechpipe_common.metrics import ConsumerMetrics, LinkMetrics, process_registry
from speechpipe_common.process import instance_name
from speechpipe_common.settings import WorkerSettings
from speechpipe_common.store import WorkerStore, connect
from speechpipe_common.tracing import Tracing, open_tracing

J = TypeVar("J")
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerContext:
    """What a handler is built with."""

    instance_id: str
    keys: Keys
    store: WorkerStore
    link: RedisLink
    """``await link.insist(lambda: store.commit_...(...))`` repeats a commit until Redis has answered."""
    metrics: ConsumerMetrics
    registry: CollectorRegistry
    """For the service's own metrics."""
    tracing: Tracing = field(default_factory=Tracing)


async def _nothing() -> None:
    """Close nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Work(Generic[J]):
    """What a worker does: which streams, and with which handler (see ``Consumer``)."""

    streams: Sequence[str]
    group: str
    decode: Callable[[bytes], J]
    handler: Handler[J]
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
    context, redis = _context(settings, component)
    checks: dict[str, Check] = {"redis": context.link.check, "model": lambda: "is loading"}
    depth = _Depth(redis)
    source = HealthSource(
        instance_id=context.instance_id, registry=context.registry, checks=checks, queue_depth=depth.read
    )
    try:
        async with HealthServer(source, settings.health_host, settings.health_port) as server:
            _log.info("health_served", port=server.port)
            work = await _unless(stop, load(context))
            if work is None:
                return
            depth.streams = tuple(work.streams)
            consumer = _consumer(settings, context, redis, work, component)
            del checks["model"]
            checks.update(work.checks, consumer=consumer.check)
            _log.info("worker_started", streams=list(work.streams), max_batch=work.max_batch, parallel=work.parallel)
            try:
                await consumer.run(stop)
            finally:
                await work.close()
            _log.info("worker_stopped")
    finally:
        await redis.aclose()
        await context.tracing.close()


def _context(settings: WorkerSettings, component: str) -> tuple[WorkerContext, Redis]:
    registry = process_registry()
    redis = connect(settings.redis_url)
    keys = Keys(settings.key_prefix)
    instance = instance_name(component, settings.instance_id)
    context = WorkerContext(
        instance_id=instance,
        keys=keys,
        store=WorkerStore(redis, keys),
        link=RedisLink(redis, LinkMetrics(registry), longest_wait=min(2.0, settings.claim_idle_seconds / 2)),
        metrics=ConsumerMetrics(registry),
        registry=registry,
        tracing=open_tracing(settings, component, instance),
    )
    return context, redis


def _consumer(
    settings: WorkerSettings, context: WorkerContext, redis: Redis, work: Work[J], component: str
) -> Consumer[J]:
    return Consumer(
        Group(redis, work.streams, work.group, context.instance_id, context.keys),
        decode=work.decode,
        handler=work.handler,
        store=context.store,
        policy=DeliveryPolicy(
            claim_idle=settings.claim_idle_seconds,
            max_deliveries=settings.max_deliveries,
            drain=settings.drain_seconds,
        ),
        link=context.link,
        metrics=context.metrics,
        max_batch=work.max_batch,
        parallel=work.parallel,
        gate=work.gate,
        traces=JobTraces(context.tracing, f"{component} job"),
    )


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


class _Depth:
    """Jobs waiting or in flight on the worker's streams; unknown until the work is."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self.streams: tuple[str, ...] = ()

    async def read(self) -> int | None:
        if not self.streams:
            return None
        pipeline = self._redis.pipeline(transaction=False)
        for stream in self.streams:
            pipeline.xlen(stream)
        return sum(int(length) for length in await pipeline.execute())
