"""The shared fixtures do what other tests rely on."""

import pytest
import redis.asyncio

from speechpipe_common.testing import ValkeyServer, eventually


async def test_shared_valkey_is_empty_and_answers_bytes(redis_client: redis.asyncio.Redis):
    """The shared client talks to a real, empty server of at least version 7.0.5."""
    info = await redis_client.info("server")
    assert tuple(int(part) for part in info["redis_version"].split(".")) >= (7, 0, 5)
    assert await redis_client.dbsize() == 0
    await redis_client.set("k", "v")
    assert await redis_client.get("k") == b"v"


async def test_restarted_valkey_keeps_port_and_data(valkey_server: ValkeyServer):
    """A server that is stopped and started again listens on the same port and has its data back from the AOF."""
    async with redis.asyncio.Redis.from_url(valkey_server.url) as client:
        await client.set("k", "v")
    valkey_server.stop()
    with pytest.raises(RuntimeError, match="not running"):
        _ = valkey_server.pid
    valkey_server.start()
    async with redis.asyncio.Redis.from_url(valkey_server.url) as client:
        assert await client.get("k") == b"v"


async def test_eventually_names_what_never_came():
    """A condition that stays false fails with its name and last value."""
    with pytest.raises(AssertionError, match=r"the moon did not come true in 0\.05 s, last value 0"):
        await eventually(lambda: 0, "the moon", seconds=0.05)
