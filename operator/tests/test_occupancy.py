"""What is found on a Redis that is to go, on real servers."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from redis.asyncio import Redis

from speechpipe_common.keys import Keys
from speechpipe_common.store import SessionStore, connect
from speechpipe_common.testing import ValkeyServer
from speechpipe_operator.autoscaling.occupancy import occupancy
from speechpipe_operator.observed import ShardUse

KEYS = Keys("p:")


@pytest_asyncio.fixture
async def servers(tmp_path: Path) -> AsyncIterator[list[ValkeyServer]]:
    """Two Valkeys."""
    made = [ValkeyServer(tmp_path / f"valkey-{number}") for number in range(2)]
    for server in made:
        server.start()
    yield made
    for server in made:
        server.kill()


@pytest_asyncio.fixture
async def shards(servers: list[ValkeyServer]) -> AsyncIterator[list[Redis]]:
    """A client of each."""
    clients = [connect(server.url, timeout=1) for server in servers]
    yield clients
    for client in clients:
        await client.aclose()


async def found(shards: list[Redis]) -> ShardUse:
    """What is on the second."""
    [use] = (await occupancy(shards, 1, KEYS, 7.0)).uses
    return use


async def test_nothing_is_on_a_shard_that_only_has_had_work(shards: list[Redis]):
    """Groups, counters and the sessions of another pipeline keep nobody; the first shard is not looked at."""
    await SessionStore(shards[0], KEYS).open("here", 1, 1.0, {"token": "t"})
    await SessionStore(shards[1], Keys("q:")).open("theirs", 1, 1.0, {"token": "t"})
    await shards[1].xgroup_create(KEYS.audio_jobs, "stt_workers", id="0", mkstream=True)
    await shards[1].hincrby(KEYS.load("stt_workers"), "done_ms", 5)
    look = await occupancy(shards, 1, KEYS, 7.0)
    assert (look.began, look.error) == (7.0, "")
    assert look.uses == (ShardUse(1, 0, 0, resumable=False),)
    assert look.uses[0].empty


async def test_a_session_keeps_its_shard_until_it_can_not_be_resumed(shards: list[Redis]):
    """While it is driven it counts, and after its end for as long as its token is worth something."""
    store = SessionStore(shards[1], KEYS)
    await store.open("client", 1, 1.0, {"token": "t"})
    assert await found(shards) == ShardUse(1, 1, 0, resumable=True)
    await store.release("client", 1, 0, (), leave=True)
    assert await found(shards) == ShardUse(1, 0, 0, resumable=True)
    await shards[1].delete(KEYS.session("client"))
    assert (await found(shards)).empty


async def test_a_job_keeps_its_shard_until_it_is_settled(shards: list[Redis]):
    """Jobs count whether they wait or are in hand, on each of the streams."""
    for stream in (KEYS.audio_jobs, KEYS.audio_partials, KEYS.transcriptions, KEYS.text_partials):
        await shards[1].xadd(stream, {"job": "x"})
    await shards[1].xgroup_create(KEYS.audio_jobs, "stt_workers", id="0")
    await shards[1].xreadgroup("stt_workers", "w", {KEYS.audio_jobs: ">"})
    assert (await found(shards)).jobs == 4


async def test_a_session_among_many_keys_is_found(shards: list[Redis]):
    """Beside tens of thousands of other keys one session is seen."""
    commands = shards[1].pipeline(transaction=False)
    for number in range(30_000):
        commands.set(f"other:{number}", "x")
    await commands.execute()
    assert (await found(shards)).empty
    await shards[1].hset(KEYS.session("lonely"), "epoch", 1)
    assert (await found(shards)).resumable


async def test_a_shard_that_can_not_be_read_is_not_empty(servers: list[ValkeyServer], shards: list[Redis]):
    """What is not known is said, and is no leave to go."""
    servers[1].kill()
    look = await occupancy(shards, 1, KEYS, 7.0)
    assert look.uses == ()
    assert look.error.startswith("shard 1: ")
