"""The consumer loop in this process, on a real Valkey: groups, order, burials, outages, memory."""

import asyncio
import contextlib

import pytest
from consumer_bench import STREAMS, Bench, add, empty, pending
from redis.exceptions import OutOfMemoryError, ResponseError

from speechpipe_common.consumer import DeliveryPolicy
from speechpipe_common.consumer.group import Group
from speechpipe_common.keys import Keys
from speechpipe_common.store import WorkerStore, connect
from speechpipe_common.testing import ValkeyServer, eventually


async def test_the_group_is_created_from_the_first_entry(redis_client):
    """Jobs that came before any worker are done, in batches of at most max_batch."""
    await add(redis_client, *range(10))
    bench = Bench(redis_client)
    assert bench.consumer.check() is not None
    async with bench.running():
        await eventually(lambda: empty(redis_client))
    assert bench.batches == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert bench.consumer.check() is None
    assert bench.metric("jobs_claimed_total", stream="jobs") == 10
    assert bench.metric("worker_busy_seconds_total") > 0
    assert await redis_client.xinfo_consumers("jobs", "workers") == []


async def test_the_urgent_stream_goes_first(redis_client):
    """Whatever arrived first, finals are read before partials, and never share a batch with them."""
    await add(redis_client, 1, 2, stream="jobs:partial")
    await add(redis_client, *range(10, 16))
    bench = Bench(redis_client)
    async with bench.running():
        await eventually(lambda: empty(redis_client))
    assert bench.batches == [[10, 11, 12, 13], [14, 15], [1, 2]]


async def test_nothing_is_read_while_the_handler_is_busy(redis_client):
    """A busy worker leaves new jobs to its peers; XLEN is what is undelivered plus what is pending."""
    bench = Bench(redis_client, max_batch=2)
    bench.open.clear()
    await add(redis_client, 1, 2, 3, 4, 5)
    async with bench.running():
        await eventually(lambda: bench.batches)
        assert await pending(redis_client) == 2
        group = (await redis_client.xinfo_groups("jobs"))[0]
        assert await redis_client.xlen("jobs") == group["lag"] + group["pending"] == 5
        assert bench.metric("jobs_in_flight") == 2
        bench.open.set()
        await eventually(lambda: empty(redis_client))
    assert bench.metric("jobs_in_flight") == 0


async def test_parallel_batches_are_bounded(redis_client):
    """With two batches at a time, a third is not read before one of them has ended."""
    await add(redis_client, 1, 2, 3)
    bench = Bench(redis_client, max_batch=1, parallel=2)
    bench.open.clear()
    async with bench.running():
        await eventually(lambda: len(bench.batches) == 2)
        assert await pending(redis_client) == 2
        bench.open.set()
        await eventually(lambda: empty(redis_client))
    assert max(bench.company.values()) == 2


async def test_nothing_is_read_before_the_handler_wants_more(redis_client):
    """With room for three batches, jobs stay with the stream while the gate is closed, and are read once it opens."""
    wanted = asyncio.Event()
    wanted.set()
    asked = 0

    async def gate() -> None:
        nonlocal asked
        asked += 1
        await wanted.wait()

    await add(redis_client, 1, 2, 3)
    bench = Bench(redis_client, max_batch=2, parallel=3, gate=gate)
    bench.open.clear()
    wanted.clear()
    async with bench.running():
        await eventually(lambda: asked == 1)
        assert bench.batches == []
        assert await redis_client.xlen("jobs") == 3
        wanted.set()
        await eventually(lambda: bench.batches == [[1, 2], [3]])
        wanted.clear()
        await eventually(lambda: asked >= 3)
        bench.open.set()
        await eventually(lambda: empty(redis_client))
        # The worker is told to stop while the gate is closed, and the block ends nevertheless.


async def test_a_redelivered_job_runs_while_nothing_else_does(redis_client):
    """With room for a third batch, an overdue job is taken over and run when the other two have ended."""
    await redis_client.xgroup_create("jobs", "workers", id="0", mkstream=True)
    (left,) = await add(redis_client, 0)
    await redis_client.xreadgroup("workers", "dead", {"jobs": ">"})
    bench = Bench(redis_client, max_batch=1, parallel=3, policy=DeliveryPolicy(claim_idle=60.0))
    bench.open.clear()
    async with bench.running():
        await add(redis_client, 1, 2)
        await eventually(lambda: len(bench.batches) == 2)
        await redis_client.xclaim("jobs", "workers", "dead", 0, [left], idle=61_000, justid=True)
        bench.open.set()
        await eventually(lambda: empty(redis_client))
    assert bench.batches == [[1], [2], [0]]
    assert bench.company == {1: 1, 2: 2, 0: 1}


@pytest.mark.parametrize("fields", [{"job": "no number"}, {"something": "else"}])
async def test_what_is_no_job_is_buried_at_once(redis_client, fields):
    """A malformed entry goes to the dead letters on its first delivery, and its batch-mates are done."""
    await add(redis_client, 1)
    await redis_client.xadd("jobs", fields)
    await add(redis_client, 2)
    bench = Bench(redis_client)
    async with bench.running():
        await eventually(lambda: empty(redis_client))
    assert bench.batches == [[1, 2]]
    ((_, letter),) = await redis_client.xrange("dead_letters")
    assert letter[b"deliveries"] == b"1"
    assert letter[b"reason"] in (b"not a number", b"the entry has no field 'job'")
    assert bench.metric("jobs_settled_total", stream="jobs", outcome="buried") == 1


async def test_what_a_handler_fails_at_comes_again_alone_and_is_buried_in_the_end(redis_client):
    """A job whose handler raises is tried three times, the later ones alone; what it left unsettled is done."""
    await add(redis_client, 1, 2, 3)
    bench = Bench(redis_client)

    def fail_at_two(number: int) -> None:
        if number == 2:
            raise ValueError("two is too much")

    bench.misbehave = fail_at_two
    async with bench.running():
        await eventually(lambda: empty(redis_client))
    assert bench.batches[0] == [1, 2, 3]
    assert sorted(bench.batches[1:]) == [[2], [2], [3]]
    assert await redis_client.xlen("dead_letters") == 1
    assert bench.metric("jobs_handed_back_total", stream="jobs", reason="failed") == 4


async def test_an_outage_in_the_handler_does_not_count_against_the_job(redis_client):
    """However often Redis is away in the middle of a job, the job is not given up for it."""
    await add(redis_client, 1)
    bench = Bench(redis_client, policy=DeliveryPolicy(claim_idle=0.3))
    failures = iter(range(6))

    def lose_redis(_: int) -> None:
        if next(failures, None) is not None:
            raise OutOfMemoryError("OOM")

    bench.misbehave = lose_redis
    async with bench.running():
        await eventually(lambda: empty(redis_client))
    assert bench.batches == [[1]] * 7
    assert await redis_client.xlen("dead_letters") == 0


async def test_flushall_is_survived(redis_client):
    """When stream and group are gone, both are made again, and new jobs are done; a job in work is simply over."""
    bench = Bench(redis_client)
    async with bench.running():
        bench.open.clear()
        await add(redis_client, 1)
        await eventually(lambda: bench.batches)
        await redis_client.flushall()
        bench.open.set()
        await add(redis_client, 2)
        await eventually(lambda: bench.batches == [[1], [2]])
        await eventually(lambda: empty(redis_client))


async def test_a_consumer_with_pending_jobs_is_never_deleted(redis_client):
    """The janitor deletes silent consumers without jobs and spares those with jobs, whose jobs would go with them."""
    await redis_client.xgroup_create("jobs", "workers", id="0", mkstream=True)
    await redis_client.xgroup_createconsumer("jobs", "workers", "idle")
    await add(redis_client, 1)
    await redis_client.xreadgroup("workers", "holder", {"jobs": ">"})
    group = Group(redis_client, STREAMS, "workers", "me", Keys())
    assert await group.delete_silent(60) == []
    await eventually(lambda: group.delete_silent(0.01), "the silent consumer's end")
    assert [c["name"] for c in await redis_client.xinfo_consumers("jobs", "workers")] == [b"holder"]
    assert await pending(redis_client) == 1


async def test_leaving_spares_a_consumer_with_pending_jobs(redis_client):
    """Leaving the group with jobs in hand would destroy them, so the consumer stays."""
    await add(redis_client, 1)
    group = Group(redis_client, STREAMS, "workers", "me", Keys())
    await group.create()
    ((job,),) = await group.look(1)
    await group.leave()
    assert await pending(redis_client) == 1
    await WorkerStore(redis_client, Keys()).drop(job.ref)
    await group.leave()
    assert await redis_client.xinfo_consumers("jobs", "workers") == []


async def test_a_sign_of_life_neither_counts_as_delivery_nor_steals(redis_client):
    """A heartbeat resets the idle time and keeps the count; a job that a peer has taken stays the peer's."""
    await add(redis_client, 1, 2)
    group = Group(redis_client, STREAMS, "workers", "me", Keys())
    await group.create()
    ((one, two),) = await group.look(2)
    for ref in (one.ref, two.ref):
        await redis_client.xclaim("jobs", "workers", "me", 0, [ref.entry], idle=60_000, justid=True)
    (_, overdue) = await group.overdue("jobs", 50, 10)
    peer = Group(redis_client, STREAMS, "workers", "peer", Keys())
    taken = await peer.claim("jobs", overdue, 50)
    assert (taken.ref, taken.deliveries) == (two.ref, 2)
    assert await peer.claim("jobs", overdue, 50) is None
    assert await group.keep_alive([one.ref, two.ref]) == ({one.ref}, {two.ref})
    assert await group.hand_back([two.ref], refund=False) == set()
    rows = await redis_client.xpending_range("jobs", "workers", "-", "+", 10)
    assert [(row["consumer"], row["times_delivered"]) for row in rows] == [(b"me", 1), (b"peer", 2)]
    assert all(row["time_since_delivered"] < 50_000 for row in rows)


async def test_a_settled_job_is_not_claimed(redis_client):
    """A job that was overdue and got settled before the claim comes back to nobody."""
    await add(redis_client, 1)
    group = Group(redis_client, STREAMS, "workers", "me", Keys())
    await group.create()
    ((job,),) = await group.look(1)
    await group.hand_back([job.ref], refund=False)
    (overdue,) = await group.overdue("jobs", 5, 10)
    await WorkerStore(redis_client, Keys()).drop(job.ref)
    assert await group.claim("jobs", overdue, 5) is None


async def test_work_goes_on_at_maxmemory(valkey_server: ValkeyServer):
    """At maxmemory new jobs are refused, and the worker reads, claims, settles and buries what is there."""
    redis = connect(valkey_server.url)
    group = Group(redis, STREAMS, "workers", "old", Keys())
    await add(redis, 1, 2)
    await group.create()
    ((job,),) = await group.look(1)
    await group.hand_back([job.ref], refund=False)
    await redis.xadd("jobs", {"job": "no number"})
    await redis.config_set("maxmemory", "1")
    with pytest.raises(OutOfMemoryError):
        await add(redis, 3)
    bench = Bench(redis)
    async with bench.running():
        await eventually(lambda: empty(redis))
    assert sorted(bench.batches) == [[1], [2]]
    assert await redis.xlen("dead_letters") == 1
    await redis.aclose()


async def test_valkey_away_for_a_while_is_waited_for(valkey_server: ValkeyServer):
    """While Valkey is dead the worker stays, says so once, and works again when it is back."""
    redis = connect(valkey_server.url, timeout=2.0)
    bench = Bench(redis)
    async with bench.running():
        await eventually(lambda: bench.consumer.check() is None)
        valkey_server.kill()
        await eventually(lambda: bench.metric("redis_failures_total") > 5)
        assert "away" in bench.link.check()
        assert bench.metric("redis_up") == 0
        valkey_server.start()
        await eventually(lambda: bench.link.check() is None)
        await add(redis, 1)
        await eventually(lambda: bench.batches == [[1]])
    assert bench.metric("redis_reconnects_total") >= 1
    await redis.aclose()


async def test_after_an_outage_jobs_stay_with_the_workers_that_had_them(redis_client):
    """Just after Redis came back every job looks abandoned; nobody takes it before its worker could be back too."""
    other = Group(redis_client, STREAMS, "workers", "other", Keys())
    await other.create()
    await add(redis_client, 1)
    ((job,),) = await other.look(1)
    await redis_client.xclaim("jobs", "workers", "other", 0, [job.ref.entry], idle=60_000, justid=True)
    bench = Bench(redis_client, policy=DeliveryPolicy(claim_idle=30.0))
    await bench.link.lost(ConnectionError("gone"))
    bench.link.answered()
    async with bench.running():
        await add(redis_client, 2)
        await eventually(lambda: bench.batches == [[2]], "a turn of the loop, which looks for overdue jobs first")
        assert (await other.keep_alive([job.ref]))[0] == {job.ref}


async def test_a_commit_is_repeated_until_it_is_answered(valkey_server: ValkeyServer):
    """A job finished while Valkey hangs is settled once it answers, without being done again."""
    redis, patient = connect(valkey_server.url, timeout=0.5), connect(valkey_server.url)
    bench = Bench(redis)
    bench.open.clear()
    await add(patient, 1)
    async with bench.running():
        await eventually(lambda: bench.batches)
        valkey_server.pause()
        bench.open.set()
        await eventually(lambda: bench.metric("redis_failures_total") >= 2)
        valkey_server.resume()
        await eventually(lambda: empty(patient))
    assert bench.batches == [[1]]
    await redis.aclose()
    await patient.aclose()


async def test_stopping_while_valkey_is_away_ends(valkey_server: ValkeyServer):
    """A worker told to stop with jobs in hand and no Redis gives its goodbye up after a few seconds."""
    redis = connect(valkey_server.url, timeout=0.5)
    bench = Bench(redis, policy=DeliveryPolicy(claim_idle=1.0, drain=0.1))
    bench.open.clear()
    await add(redis, 1)
    with contextlib.suppress(asyncio.CancelledError):
        async with bench.running():
            await eventually(lambda: bench.batches)
            valkey_server.kill()
            await eventually(lambda: bench.link.check() is not None)
    await redis.aclose()


async def test_an_error_that_waiting_does_not_mend_ends_the_worker(redis_client):
    """A key of the wrong type is told at once instead of being retried for ever."""
    await redis_client.set("jobs", "a string")
    bench = Bench(redis_client)
    with pytest.raises(ExceptionGroup) as caught:
        await bench.consumer.run(asyncio.Event())
    assert caught.group_contains(ResponseError, match="WRONGTYPE")
