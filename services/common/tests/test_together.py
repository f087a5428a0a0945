"""ScriptsTogether: calls that go out together succeed and fail each for itself."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from speechpipe_common.store import connect
from speechpipe_common.store.together import MOST_CALLS, ScriptsTogether
from speechpipe_common.testing import ValkeyServer

SESSION, BLOCK = "session:c", "audio:c:0:0"


@pytest_asyncio.fixture
async def scripts(redis_client: Redis, valkey: str) -> AsyncIterator[ScriptsTogether]:
    """On an empty Redis that knows a session with epoch 1."""
    await redis_client.script_flush()
    await redis_client.hset(SESSION, "epoch", 1)
    redis = connect(valkey)
    yield ScriptsTogether(redis)
    await redis.aclose()


async def append(scripts: ScriptsTogether, block: str, at: int, pcm: bytes, epoch: int = 1) -> list[object]:
    """What ``append`` says."""
    reply: list[object] = await scripts.run("append", [SESSION, block], [epoch, at, 60, pcm])
    return reply


async def reads(redis: Redis) -> int:
    """How often the server has read from its clients' sockets."""
    return int((await redis.info("stats"))["total_reads_processed"])


async def test_many_calls_are_few_writes(scripts: ScriptsTogether, redis_client: Redis) -> None:
    """Calls of many sessions at a time get their own answers, from a server that has forgotten all scripts too, in a
    few writes.
    """
    count = 3 * MOST_CALLS
    await asyncio.gather(*(append(scripts, f"b:{i}", 0, b"%d" % i) for i in range(count)))
    before = await reads(redis_client)
    answers = await asyncio.gather(*(append(scripts, f"b:{i}", 0, b"") for i in range(count)))
    assert await reads(redis_client) - before < count / 10
    assert answers == [[b"at", len(str(i))] for i in range(count)]


async def test_a_forgotten_script_is_sent_again(scripts: ScriptsTogether, redis_client: Redis) -> None:
    """A server that has lost its scripts learns them, and each call has run once."""
    await append(scripts, BLOCK, 0, b"one")
    await redis_client.script_flush()
    answers = await asyncio.gather(*(append(scripts, f"b:{i}", 0, b"two") for i in range(5)))
    assert answers == [[b"ok", 3]] * 5


async def test_an_error_is_of_one_call(scripts: ScriptsTogether, redis_client: Redis) -> None:
    """A call that the server refuses fails alone; a fenced one is told so, the others go through."""
    await redis_client.hset("hash", "field", 1)
    wrong, fenced, good = await asyncio.gather(
        append(scripts, "hash", 0, b"x"),
        append(scripts, BLOCK, 0, b"x", epoch=0),
        append(scripts, BLOCK, 0, b"xyz"),
        return_exceptions=True,
    )
    assert isinstance(wrong, ResponseError)
    assert fenced == [b"fenced", 0]
    assert good == [b"ok", 3]


async def test_a_caller_that_is_gone_is_not_waited_for(scripts: ScriptsTogether) -> None:
    """A cancelled call takes no other with it."""
    first = asyncio.create_task(append(scripts, BLOCK, 0, b"one"))
    second = asyncio.create_task(append(scripts, "b:2", 0, b"two"))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == [b"ok", 3]
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_all_that_were_under_way_hear_of_an_outage(valkey_server: ValkeyServer) -> None:
    """When Redis goes, every call fails instead of waiting for ever; when it is back, calls go through again."""
    redis = connect(valkey_server.url)
    scripts = ScriptsTogether(redis)
    async with redis:
        await redis.hset(SESSION, "epoch", 1)  # type: ignore[misc]
        assert await append(scripts, BLOCK, 0, b"one") == [b"ok", 3]
        valkey_server.kill()
        outcomes = await asyncio.gather(*(append(scripts, f"b:{i}", 0, b"x") for i in range(9)), return_exceptions=True)
        assert all(isinstance(outcome, RedisError | OSError) for outcome in outcomes), outcomes
        valkey_server.start()
        await redis.hset(SESSION, "epoch", 1)  # type: ignore[misc]
        assert await append(scripts, "b:0", 0, b"two") == [b"ok", 3]
