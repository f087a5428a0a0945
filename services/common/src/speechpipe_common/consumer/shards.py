"""What a worker has for each Redis that it reads from."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from speechpipe_common.consumer.link import RedisLink
from speechpipe_common.health import Check
from speechpipe_common.keys import Keys
from speechpipe_common.metrics import ConsumerMetrics, LinkMetrics
from speechpipe_common.settings import WorkerSettings
from speechpipe_common.store import WorkerStore, connect
from speechpipe_common.tracing import Tracing


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkerContext:
    """What a worker is loaded with."""

    instance_id: str
    keys: Keys
    metrics: ConsumerMetrics
    registry: CollectorRegistry
    """For the service's own metrics."""
    tracing: Tracing = field(default_factory=Tracing)


@dataclass(frozen=True, kw_only=True, slots=True)
class ShardContext(WorkerContext):
    """What a handler of one shard's jobs is built with."""

    shard: int
    store: WorkerStore
    link: RedisLink
    """``await link.insist(lambda: store.commit_...(...))`` repeats a commit until Redis has answered."""
    redis: Redis


def open_shards(settings: WorkerSettings, context: WorkerContext) -> tuple[ShardContext, ...]:
    """One for each address in the settings, in their order; nothing is connected yet."""
    urls = settings.redis_urls
    metrics = LinkMetrics(context.registry, len(urls))
    return tuple(_open(settings, context, metrics, number, url) for number, url in enumerate(urls))


def _open(
    settings: WorkerSettings, context: WorkerContext, metrics: LinkMetrics, number: int, url: str
) -> ShardContext:
    redis = connect(url)
    return ShardContext(
        instance_id=context.instance_id,
        keys=context.keys,
        metrics=context.metrics,
        registry=context.registry,
        tracing=context.tracing,
        shard=number,
        store=WorkerStore(redis, context.keys),
        link=RedisLink(redis, metrics, longest_wait=min(2.0, settings.claim_idle_seconds / 2), shard=number),
        redis=redis,
    )


def notices(shards: Sequence[ShardContext]) -> dict[str, Check]:
    """For health: which shards are away; nothing where there is one, of which readiness tells."""
    return {f"redis shard {one.shard}": one.link.check for one in shards} if len(shards) > 1 else {}


async def depth(shards: Sequence[ShardContext], streams: Sequence[str]) -> int | None:
    """Jobs waiting or in flight on these streams of all shards; unknown without streams.

    Raises:
        redis.RedisError: a shard does not answer.
    """
    if not streams:
        return None
    total = 0
    for one in shards:
        pipeline = one.redis.pipeline(transaction=False)
        for stream in streams:
            pipeline.xlen(stream)
        total += sum(int(length) for length in await pipeline.execute())
    return total
