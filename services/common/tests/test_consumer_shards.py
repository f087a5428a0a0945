"""One worker process on several Valkeys: one budget, and no Valkey that stops the work of another."""

import asyncio
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis.asyncio
from test_consumer_processes import Workers, begun, done, has_begun, is_done, submit

from speechpipe_common.keys import Keys
from speechpipe_common.store import connect
from speechpipe_common.testing import ValkeyServer, eventually


@pytest.fixture
def valkeys(tmp_path: Path) -> Iterator[list[ValkeyServer]]:
    """Two started Valkeys with an AOF."""
    servers = [ValkeyServer(tmp_path / f"valkey-{number}", aof=True) for number in range(2)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
def clients(valkeys: list[ValkeyServer]) -> list[redis.asyncio.Redis]:
    """A client of each."""
    return [connect(server.url) for server in valkeys]


@pytest.fixture
def workers(valkeys: list[ValkeyServer]) -> Iterator[Workers]:
    """Workers on both."""
    started = Workers(",".join(server.url for server in valkeys))
    yield started
    started.end()


async def test_jobs_of_all_shards_are_done_one_batch_at_a_time(clients, workers):
    """Both are read; while a job of one is in hand, nothing of the other is begun beyond the one place."""
    await submit(clients[0], "wait")
    workers.start("only", TEST_MAX_BATCH="1")
    await eventually(lambda: has_begun(clients[0], 1))
    await submit(clients[1], *["ok"] * 5)
    assert await done(clients[1]) == []
    assert await begun(clients[1]) == []
    await clients[0].set("go", 1)
    await eventually(lambda: is_done(clients[0], [0]), "the job of the first")
    await eventually(lambda: is_done(clients[1], list(range(5))), "the jobs of the second")


@pytest.mark.parametrize("how", ["kill", "pause"])
async def test_a_shard_that_goes_in_the_midst_of_a_job_stops_no_other(valkeys, clients, workers, how: str):
    """The worker holds a job of a Valkey that dies or hangs: the jobs of the other are done all the same, and that job
    too when its Valkey is back, once.
    """
    await submit(clients[0], "wait")
    workers.start("only", TEST_MAX_BATCH="1")
    await eventually(lambda: has_begun(clients[0], 1))
    getattr(valkeys[0], how)()
    await submit(clients[1], *["ok"] * 20)
    await eventually(lambda: is_done(clients[1], list(range(20))), "the jobs of the other", 120)
    if how == "kill":
        valkeys[0].start()
    else:
        valkeys[0].resume()
    await eventually(lambda: there(clients[0]), "it to answer")
    await clients[0].set("go", 1)
    await eventually(lambda: is_done(clients[0], [0]), "its job", 120)
    assert await clients[0].xlen("jobs") == 0


async def there(client: redis.asyncio.Redis) -> bool:
    """Whether it answers."""
    try:
        return bool(await client.ping())
    except (redis.RedisError, OSError):
        return False


async def test_a_killed_workers_jobs_are_done_by_another_on_every_shard(clients, workers):
    """After kill -9 a peer does what was left on both, and each job once."""
    for client in clients:
        await submit(client, "wait", "wait")
    first = workers.start("first", TEST_PARALLEL="2")
    await eventually(lambda: has_begun(clients[0], 1))
    await eventually(lambda: has_begun(clients[1], 1))
    workers.start("second", TEST_PARALLEL="2")
    first.kill()
    for client in clients:
        await client.set("go", 1)
    for client in clients:
        await eventually(partial(is_done, client, [0, 1]), "both jobs", 120)
        assert await client.xlen("jobs") == 0


async def test_a_poisonous_job_is_alone_in_the_whole_worker(clients, workers):
    """A job that was left before runs while nothing of any shard does, so it takes none of the others down with it."""
    await submit(clients[0], "die")
    await submit(clients[1], "wait")
    first = workers.start("first", TEST_PARALLEL="2")
    await eventually(lambda: first.poll() is not None, "the worker to die", 60)
    await clients[1].set("go", 1)
    while await clients[0].xlen("jobs"):
        process = workers.start("next", TEST_PARALLEL="2")
        await eventually(partial(over, process, clients[0]), "an end", 60)
    await eventually(lambda: is_done(clients[1], [0]), "the innocent job", 60)
    assert await clients[1].xlen("dead_letters") == 0
    assert await clients[0].xlen("dead_letters") == 1


async def test_a_job_that_waits_for_a_lone_one_is_not_claimed(clients, workers):
    """While a job that was left before runs alone, what was left on another shard does not count as delivered: else it
    would be buried with a job that brings its worker down three times.
    """
    for client in clients:
        await submit(client, "wait")
    first = workers.start("first", TEST_PARALLEL="2")
    for client in clients:
        await eventually(partial(has_begun, client, 1), "both to begin", 60)
    first.kill()
    workers.start("next", TEST_PARALLEL="2")

    async def begun_again() -> redis.asyncio.Redis | None:
        for client in clients:
            if await has_begun(client, 2):
                return client
        return None

    lone = await eventually(begun_again, "one of them to begin again", 60)
    (other,) = (client for client in clients if client is not lone)
    for _ in range(20):  # that nothing happens has to be watched for a while
        (pending,) = await other.xpending_range("jobs", "workers", "-", "+", 1)
        assert pending["times_delivered"] == 1
        await asyncio.sleep(0.1)
    for client in clients:  # all of them first: what waits for the lone one is not begun before its end
        await client.set("go", 1)
    for client in clients:
        await eventually(partial(is_done, client, [0]), "both jobs", 120)


async def over(process, client: redis.asyncio.Redis) -> bool:
    """Whether the worker has died, or nothing is left."""
    return process.poll() is not None or not await client.xlen("jobs")


async def test_a_cordon_is_seen_on_each_shard_by_itself(clients, workers):
    """Cordoned everywhere, a worker says so everywhere, and takes nothing; lifted on one, it works there."""
    workers.start("only")
    for client in clients:
        await submit(client, "ok")
        await eventually(partial(is_done, client, [0]), "work")
    name = Keys().cordon("workers", "only")
    for client in clients:
        await client.set(name, "asked", ex=60)
    for client in clients:
        await eventually(partial(seen, client, name), "the cordon to be seen")
        await submit(client, "ok", first=1)
    await clients[0].delete(name)
    await eventually(lambda: is_done(clients[0], [0, 1]), "work on the first")
    assert await done(clients[1]) == [0]


async def seen(client: redis.asyncio.Redis, name: str) -> bool:
    """Whether the worker has answered."""
    return bool(await client.get(name) == b"seen")
