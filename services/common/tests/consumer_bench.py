"""A consumer in this process, for tests of the loop on a real Valkey."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from speechpipe_common.consumer import Consumer, DeliveryPolicy, Entry, RedisLink
from speechpipe_common.consumer.group import Group
from speechpipe_common.consumer.handler import Gate
from speechpipe_common.consumer.slots import Slots
from speechpipe_common.keys import Keys
from speechpipe_common.messages import MessageError
from speechpipe_common.metrics import ConsumerMetrics, LinkMetrics
from speechpipe_common.store import WorkerStore

STREAMS = ("jobs", "jobs:partial")
POLICY = DeliveryPolicy(claim_idle=1.0, max_deliveries=3, drain=5.0)


def decode(payload: bytes) -> int:
    """A job is a number."""
    try:
        return int(json.loads(payload))
    except ValueError as error:
        raise MessageError("not a number") from error


class Bench:
    """A consumer with a handler that notes its batches and settles them, unless told otherwise."""

    def __init__(
        self,
        redis: Redis,
        *,
        policy: DeliveryPolicy = POLICY,
        max_batch: int = 4,
        parallel: int = 1,
        gate: Gate | None = None,
    ) -> None:
        self.redis = redis
        self.registry = CollectorRegistry()
        self.store = WorkerStore(redis, Keys())
        self.link = RedisLink(redis, LinkMetrics(self.registry), longest_wait=0.2)
        self.batches: list[list[int]] = []
        self.active = 0
        self.company: dict[int, int] = {}
        """Job to the number of handler calls that ran when it began, its own included."""
        self.open = asyncio.Event()
        self.open.set()
        self.misbehave: Callable[[int], None] | None = None
        self.consumer = Consumer(
            Group(redis, STREAMS, "workers", "me", Keys()),
            decode=decode,
            handler=self.handle,
            store=self.store,
            policy=policy,
            link=self.link,
            metrics=ConsumerMetrics(self.registry),
            max_batch=max_batch,
            slots=Slots(parallel),
            gate=gate,
        )

    async def handle(self, entries: Sequence[Entry[int]]) -> None:
        """Note the batch; wait until open; drop each entry."""
        self.active += 1
        try:
            self.batches.append([entry.job for entry in entries])
            self.company.update(dict.fromkeys(self.batches[-1], self.active))
            await self.open.wait()
            for entry in entries:
                if self.misbehave:
                    self.misbehave(entry.job)
                await self.link.insist(partial(self.store.drop, entry.ref))
        finally:
            self.active -= 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The consumer runs inside the block and is drained at its end."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.consumer.run(stop))
        try:
            yield
        finally:
            stop.set()
            await task

    def metric(self, name: str, **labels: str) -> float:
        """A metric's value, 0 when it has none yet."""
        return self.registry.get_sample_value(f"speechpipe_{name}", labels) or 0.0


async def add(redis: Redis, *numbers: int, stream: str = "jobs") -> list[str]:
    """Put numbers on a stream; their entry ids."""
    return [(await redis.xadd(stream, {"job": str(number)})).decode() for number in numbers]


async def empty(redis: Redis) -> bool:
    """Whether every job is settled: nothing waits and nothing is pending."""
    return not sum([await redis.xlen(stream) for stream in STREAMS])


async def pending(redis: Redis, stream: str = "jobs") -> int:
    """Jobs delivered and not settled."""
    return (await redis.xpending(stream, "workers"))["pending"]
