"""What a gateway has for each Redis of its pipeline, and which of them a session is on."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from speechpipe_common.health import Check
from speechpipe_common.keys import Keys
from speechpipe_common.metrics import LinkMetrics
from speechpipe_common.shards import place, shard_of
from speechpipe_common.store import ResumeDeniedError, SessionStore, connect
from speechpipe_gateway.live.hub import Hub
from speechpipe_gateway.live.state import QueueState
from speechpipe_gateway.live.sweeper import Sweeper
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.settings import GatewaySettings

OPENING_AT_ONCE = 16
"""A crowd that arrives together must not make a connection to Redis each at once."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One Redis and all that this gateway does with it, apart from what it does with the others."""

    number: int
    redis: Redis
    store: SessionStore
    hub: Hub
    queue: QueueState
    sweeper: Sweeper
    opening: asyncio.Semaphore

    @property
    def answers(self) -> bool:
        """Whether sessions can be opened on it and hear their results."""
        return self.hub.connected and self.queue.known

    def check(self) -> str | None:
        """For readiness: why it can't be used, or None."""
        return None if self.answers else "Redis does not answer"

    async def run(self) -> None:
        """Listen, drive the sessions, look at the queue and sweep, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self.hub.run(), self.hub.tick(), self.queue.run(), self.sweeper.run()):
                tasks.create_task(work)


class Shards:
    """All of them.

    Args:
        every: in the order of their addresses.
        placing: how many of them, from the first, take new sessions; those after them are being emptied.
        has_room: whether a new session is admitted to a Redis in that state.
    """

    def __init__(self, every: Sequence[Shard], placing: int, has_room: Callable[[QueueState], bool]) -> None:
        self.every = tuple(every)
        self.placing = self.every[:placing]
        self._has_room = has_room

    def for_new(self, client: str) -> Shard:
        """Where a new session goes: by its id, among those that answer and have room.

        Where there is none, among all: the attempt tells the client what is the matter.
        """
        well = [shard.number for shard in self.placing if shard.answers and self._has_room(shard.queue)]
        return self.every[place(client, well or [shard.number for shard in self.placing])]

    def of_token(self, token: str) -> Shard:
        """Where the session of a resume token is.

        Raises:
            ResumeDeniedError: the token names a shard that is not there.
        """
        number = shard_of(token)
        if number >= len(self.every):
            raise ResumeDeniedError("unknown")
        return self.every[number]

    async def read_depth(self) -> int | None:
        """Audio jobs waiting or in flight, for ``/health``; None while a shard is away."""
        depths = [await shard.queue.read_depth() for shard in self.every]
        known = [depth for depth in depths if depth is not None]
        return sum(known) if len(known) == len(depths) else None

    def notices(self) -> dict[str, Check]:
        """For health: which shards are away; nothing where there is one, of which readiness tells."""
        return {f"redis shard {one.number}": one.check for one in self.every} if len(self.every) > 1 else {}

    async def drain(self, seconds: float) -> None:
        """Let what is on its way to Redis get there, then leave the sessions to other gateways."""
        await asyncio.gather(*(shard.hub.drain(seconds) for shard in self.every))

    async def close(self) -> None:
        """Close the connections."""
        for shard in self.every:
            await shard.redis.aclose()


def open_shards(
    settings: GatewaySettings,
    registry: CollectorRegistry,
    metrics: GatewayMetrics,
    instance: str,
    has_room: Callable[[QueueState], bool],
) -> Shards:
    """Those of the settings; nothing is connected yet."""
    urls, keys = settings.redis_urls, Keys(settings.key_prefix)
    link = LinkMetrics(registry, len(urls))

    def opened(number: int, url: str) -> Shard:
        redis = connect(url)
        store = SessionStore(redis, keys)
        detached = settings.detached_seconds
        hub = Hub(redis, store, keys, metrics, link, instance, detached_seconds=detached, shard=number)
        queue = QueueState(store, metrics.capacity, number)
        sweeper = Sweeper(store, metrics, instance)
        return Shard(number, redis, store, hub, queue, sweeper, asyncio.Semaphore(OPENING_AT_ONCE))

    every = [opened(number, url) for number, url in enumerate(urls)]
    return Shards(every, settings.redis_shards or len(urls), has_room)
