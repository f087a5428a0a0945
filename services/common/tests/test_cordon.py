"""A worker that is told to stand aside: it finishes, takes nothing more, says so, and comes back."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from consumer_bench import POLICY, STREAMS, Bench, add, empty, pending
from redis.asyncio import Redis

from speechpipe_common.consumer import DeliveryPolicy
from speechpipe_common.consumer.group import Group
from speechpipe_common.keys import Keys
from speechpipe_common.testing import eventually

CORDON = Keys().cordon("workers", "me")


def seen(redis: Redis) -> Callable[[], Awaitable[bool]]:
    """Whether the worker has said that it takes nothing."""

    async def look() -> bool:
        return bool(await redis.get(CORDON) == b"seen")

    return look


async def peer_takes(redis: Redis) -> list[bytes]:
    """What an uncordoned peer finds undelivered, which it settles."""
    reply: Any = await redis.xreadgroup("workers", "peer", {"jobs": ">"}, block=100)
    entries = [entry for _, found in reply for entry, _ in found]
    for entry in entries:
        await redis.xack("jobs", "workers", entry)
        await redis.xdel("jobs", entry)
    return entries


async def test_a_cordoned_worker_takes_nothing_and_says_so(redis_client: Redis) -> None:
    """What comes after ``seen`` is left to peers, and the cordon keeps the time that it had to live."""
    bench = Bench(redis_client)
    async with bench.running():
        await eventually(lambda: bench.consumer.check() is None)
        await redis_client.set(CORDON, "asked", ex=60)
        await eventually(seen(redis_client))
        assert 0 < await redis_client.ttl(CORDON) <= 60
        entries = await add(redis_client, 1, 2, 3)
        await redis_client.xadd("jobs:partial", {"job": "4"})
        assert [entry.decode() for entry in await peer_takes(redis_client)] == entries
        assert await redis_client.xlen("jobs:partial") == 1
        assert bench.batches == []


async def test_what_is_held_is_finished(redis_client: Redis) -> None:
    """Jobs in hand are worked off after ``seen``; then nothing is pending, and nothing will be."""
    bench = Bench(redis_client, max_batch=2, parallel=2)
    bench.open.clear()
    await add(redis_client, 1, 2)
    async with bench.running():
        await eventually(lambda: bench.batches)
        await redis_client.set(CORDON, "asked", ex=60)
        await eventually(seen(redis_client))
        assert await pending(redis_client) == 2
        await add(redis_client, 3)
        bench.open.set()
        await eventually(lambda: bench.metric("jobs_in_flight") == 0)
        assert await pending(redis_client) == 0
        assert await redis_client.xlen("jobs") == 1
        assert bench.batches == [[1, 2]]


async def test_a_job_read_before_seen_is_finished(redis_client: Redis) -> None:
    """A cordon that comes while the worker waits for news does not lose the job that the wait brings."""
    bench = Bench(redis_client)
    async with bench.running():
        await eventually(lambda: bench.consumer.check() is None)
        pipeline = redis_client.pipeline(transaction=True)
        pipeline.set(CORDON, "asked", ex=60)
        pipeline.xadd("jobs", {"job": "1"})
        await pipeline.execute()
        await eventually(seen(redis_client))
        await add(redis_client, 2)
        await eventually(lambda: bench.metric("jobs_in_flight") == 0)
        assert bench.batches in ([], [[1]])
        left = await redis_client.xlen("jobs")
        assert left + len(bench.batches) == 2
        assert await pending(redis_client) == 0


@pytest.mark.parametrize("end", ["deleted", "expired"])
async def test_a_worker_works_again_when_the_cordon_goes(redis_client: Redis, end: str) -> None:
    """Taken back by whoever set it, or ended by itself since nobody renewed it."""
    bench = Bench(redis_client)
    await redis_client.set(CORDON, "asked", ex=60)
    await add(redis_client, 1)
    async with bench.running():
        await eventually(seen(redis_client))
        assert bench.batches == []
        if end == "deleted":
            await redis_client.delete(CORDON)
        else:
            await redis_client.pexpire(CORDON, 50)
        await eventually(lambda: empty(redis_client))
        assert bench.batches == [[1]]
        assert await redis_client.exists(CORDON) == 0


async def test_a_cordoned_worker_takes_nothing_over(redis_client: Redis) -> None:
    """What a dead peer has left is not for a worker that is to go."""
    await add(redis_client, 1)
    dead = Group(redis_client, STREAMS, "workers", "dead", Keys())
    await dead.create()
    ((job,),) = await dead.look(1)
    await dead.hand_back([job.ref], refund=False)
    await redis_client.set(CORDON, "asked", ex=60)
    bench = Bench(redis_client)
    async with bench.running():
        await eventually(seen(redis_client))
        assert await pending(redis_client) == 1
        await redis_client.delete(CORDON)
        await eventually(lambda: bench.batches == [[1]])


async def test_nothing_is_said_while_a_read_may_wait_in_the_server(redis_client: Redis) -> None:
    """After an outage a read that was given up may still bring jobs in this worker's name: it waits."""
    bench = Bench(redis_client, policy=DeliveryPolicy(claim_idle=600.0))
    await bench.link.lost(ConnectionError("gone"))
    bench.link.answered()
    await redis_client.set(CORDON, "asked", ex=60)
    await add(redis_client, 1)
    async with bench.running():
        calls = await exists_calls(redis_client)
        await eventually(lambda: more_than(redis_client, calls + 1), "two looks at the cordon")
        assert await redis_client.get(CORDON) == b"asked"
        assert bench.batches == []


async def exists_calls(redis: Redis) -> int:
    """How often EXISTS has been called."""
    stats = await redis.info("commandstats")
    return int(stats.get("cmdstat_exists", {}).get("calls", 0))


async def more_than(redis: Redis, calls: int) -> bool:
    """Whether EXISTS has been called more often."""
    return await exists_calls(redis) > calls


async def test_looking_costs_one_command_a_second(redis_client: Redis) -> None:
    """A worker that does a hundred jobs one after the other looks at its cordon a few times, not a hundred."""
    bench = Bench(redis_client, max_batch=1)
    before = await exists_calls(redis_client)
    since = asyncio.get_running_loop().time()
    await add(redis_client, *range(100))
    async with bench.running():
        await eventually(lambda: empty(redis_client))
    seconds = asyncio.get_running_loop().time() - since
    assert await exists_calls(redis_client) - before <= seconds + 1


async def test_busy_time_reaches_the_counter_while_a_batch_runs_and_at_the_end(redis_client: Redis) -> None:
    """A long batch is reported as it goes on, partials are not, and what is left is reported on leaving."""
    bench = Bench(redis_client, policy=POLICY)

    async def reported() -> int:
        return int(await redis_client.hget("load:workers", "busy_ms") or 0)

    async with bench.running():
        await add(redis_client, 1, stream="jobs:partial")
        await eventually(lambda: empty(redis_client))
        assert await reported() == 0
        bench.open.clear()
        await add(redis_client, 2)
        first = await eventually(reported, "a report in the middle of the batch")
        bench.open.set()
        await eventually(lambda: empty(redis_client))
    assert await reported() >= first
