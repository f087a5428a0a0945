"""What is strange in Redis, or comes at a bad moment, harms nobody else."""

import asyncio
import time
from typing import Any

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from speechpipe_common.keys import Keys
from speechpipe_common.store import SessionStore
from speechpipe_gateway.live.hub import said
from speechpipe_gateway.live.sweeper import STALE_SECONDS, Sweeper
from speechpipe_gateway.metrics import GatewayMetrics


async def test_a_session_with_strange_contents_is_passed_over(redis_client: Redis) -> None:
    """A stale session whose open segment is no segment ends no sweep: the next one is adopted, and none is left."""
    keys = Keys("strange:")
    store = SessionStore(redis_client, keys)
    old = time.time() - 2 * STALE_SECONDS
    for client in ("a", "b"):
        await store.open(client, 1, old, {"owner": "gone"})
    await redis_client.hset(keys.segments("a"), "0", b"no segment")
    sweeper = Sweeper(store, GatewayMetrics(CollectorRegistry()), "here")
    assert await sweeper.sweep(time.time()) == 1
    assert await sweeper.sweep(time.time()) == 0


async def test_a_subscription_that_closes_under_a_command_is_a_lost_connection(redis_client: Redis) -> None:
    """Whichever way a command meets the closing of its subscription, it succeeds or fails as a connection does."""
    outcomes: set[str] = set()
    for turn in range(200):
        pubsub = redis_client.pubsub()
        await pubsub.subscribe("a", "b")
        await pubsub.get_message(timeout=1)

        async def close(pubsub: PubSub = pubsub, turn: int = turn) -> None:
            if turn % 2:
                connection: Any = pubsub.connection
                await connection.disconnect(nowait=True)
            for _ in range(turn % 5):
                await asyncio.sleep(0)
            await pubsub.aclose()

        outcome: object
        outcome, _ = await asyncio.gather(said(pubsub.unsubscribe("b")), close(), return_exceptions=True)
        assert outcome is None or isinstance(outcome, RedisError | OSError), repr(outcome)
        outcomes.add(type(outcome).__name__)
        await pubsub.aclose()
    assert "ConnectionError" in outcomes
