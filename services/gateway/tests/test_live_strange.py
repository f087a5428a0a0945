"""One session that nobody understands harms no other."""

import time

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis

from speechpipe_common.keys import Keys
from speechpipe_common.store import SessionStore
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
