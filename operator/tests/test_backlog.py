"""The backlog as a real server gives it: what counts, what is an error, and what is not to be believed."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from speechpipe_common.keys import Keys
from speechpipe_common.store import connect
from speechpipe_common.testing import ValkeyServer, eventually, free_port
from speechpipe_operator.autoscaling.backlog import BacklogError, forget_consumers, read_backlog
from speechpipe_operator.autoscaling.reading import Stage
from speechpipe_operator.autoscaling.trust import DOUBTED_READS, Trust
from speechpipe_operator.autoscaling.types import Backlog

STAGE = Stage.stt(Keys("p:"))
OTHER = Stage.translation(Keys("p:"))

SETTLE = """
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
return redis.call('XDEL', KEYS[1], ARGV[2])
"""
"""As the workers' scripts settle a job: acknowledged and deleted in one."""


@dataclass
class Queue:
    """A stage on one server, as gateways and workers use it."""

    redis: Redis
    stage: Stage = STAGE

    async def group(self) -> None:
        """Create both streams and the group on them."""
        for stream in (self.stage.finals, self.stage.partials):
            await self.redis.xgroup_create(stream, self.stage.group, id="0", mkstream=True)

    async def put(self, count: int, stream: str | None = None) -> list[bytes]:
        """Add jobs; returns their ids."""
        entries: list[Any] = [await self.redis.xadd(stream or self.stage.finals, {"job": b"x"}) for _ in range(count)]
        return entries

    async def take(self, count: int, consumer: str = "w1", stream: str | None = None) -> list[bytes]:
        """Claim jobs for a worker; returns their ids."""
        reply: Any = await self.redis.xreadgroup(
            self.stage.group, consumer, {stream or self.stage.finals: ">"}, count=count
        )
        return [entry for _, entries in reply for entry, _ in entries]

    async def settle(self, entries: list[bytes]) -> None:
        """Acknowledge and delete."""
        for entry in entries:
            await self.redis.eval(SETTLE, 1, self.stage.finals, self.stage.group, entry)


async def read(*shards: Redis, stage: Stage = STAGE) -> Backlog:
    """One read without a past."""
    reading, _ = await read_backlog(shards, stage, Trust())
    return reading.backlog


async def read_often(redis: Redis, times: int = DOUBTED_READS) -> Backlog:
    """The last of some reads in a row."""
    trust = Trust()
    for _ in range(times):
        reading, trust = await read_backlog([redis], STAGE, trust)
    return reading.backlog


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory):
    """Two servers: the shards."""
    both = [ValkeyServer(tmp_path_factory.mktemp(f"shard{number}")) for number in range(2)]
    for server in both:
        server.start()
    yield both
    for server in both:
        server.kill()


@pytest_asyncio.fixture
async def shards(servers: list[ValkeyServer]) -> AsyncIterator[list[Redis]]:
    """Clients of both, emptied."""
    clients = [connect(server.url) for server in servers]
    for client in clients:
        await client.flushall()
    yield clients
    for client in clients:
        await client.aclose()


@pytest.fixture
def redis(shards: list[Redis]) -> Redis:
    """The first shard."""
    return shards[0]


async def test_no_stream_is_an_empty_backlog(redis: Redis) -> None:
    """Before any client has come there is no stream, and nothing to do."""
    assert await read(redis) == Backlog(0, 0, 0, 0.0, 0.0, 0, 0.0, 0.0)


async def test_an_empty_stream_is_an_empty_backlog(redis: Redis) -> None:
    """A stream whose jobs are all settled counts nothing, and has no oldest job."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(3)
    await queue.settle(await queue.take(3))
    backlog = await read(redis)
    assert (backlog.undelivered, backlog.pending, backlog.oldest_seconds, backlog.trusted) == (0, 0, 0.0, True)


async def test_without_a_group_all_is_undelivered(redis: Redis) -> None:
    """Jobs that came before the first worker created its group wait for it, and keep the stage from zero."""
    queue = Queue(redis)
    await queue.put(5)
    await queue.put(2, STAGE.partials)
    await redis.xgroup_create(STAGE.finals, "somebody_else", id="$")
    backlog = await read(redis)
    assert (backlog.undelivered, backlog.pending, backlog.partials) == (5, 0, 2)


@pytest.mark.parametrize(("put", "taken"), [(4, 0), (4, 4), (7, 3)])
async def test_undelivered_and_pending_are_told_apart(redis: Redis, put: int, taken: int) -> None:
    """What a worker holds is pending, the rest undelivered, and neither leaves before it is settled."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(put)
    if taken:
        await queue.take(taken)
    backlog = await read(redis)
    assert (backlog.undelivered, backlog.pending, backlog.trusted) == (put - taken, taken, True)


async def test_partials_count_apart(redis: Redis) -> None:
    """Partials, waiting or in hand, are counted, but never among the finals."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(5, STAGE.partials)
    await queue.take(2, stream=STAGE.partials)
    backlog = await read(redis)
    assert (backlog.undelivered, backlog.pending, backlog.partials, backlog.oldest_seconds) == (0, 0, 5, 0.0)


async def test_stages_do_not_mix(redis: Redis) -> None:
    """Jobs of the speech stage are no backlog of the translation stage."""
    await Queue(redis).put(5)
    await Queue(redis, OTHER).put(2)
    assert (await read(redis)).undelivered == 5
    assert (await read(redis, stage=OTHER)).undelivered == 2


async def test_the_age_is_that_of_the_oldest_unsettled_final_by_the_servers_clock(redis: Redis) -> None:
    """A job in hand keeps its age until it is settled; then the next oldest counts."""
    queue = Queue(redis)
    await queue.group()
    seconds, _ = await redis.time()
    for age in (90, 30):
        await redis.xadd(STAGE.finals, {"job": b"x"}, id=f"{(seconds - age) * 1000}-0")
    first = await queue.take(1)
    assert (await read(redis)).oldest_seconds == pytest.approx(90, abs=20)
    await queue.settle(first)
    assert (await read(redis)).oldest_seconds == pytest.approx(30, abs=20)


async def test_counters_are_seconds_of_audio(redis: Redis) -> None:
    """The stage's counters come along in the same transaction, as seconds; those that are missing are 0."""
    await redis.hset(STAGE.load, mapping={"arrived_ms": 61_500, "arrived_jobs": 12, "busy_ms": 2_250})
    backlog = await read(redis)
    assert (backlog.arrived_work, backlog.arrived_jobs, backlog.done_work, backlog.busy_seconds) == (61.5, 12, 0, 2.25)


async def test_a_nil_lag_is_normal(redis: Redis) -> None:
    """An undelivered job that was deleted takes the lag away; the number stays right and trusted."""
    queue = Queue(redis)
    await queue.group()
    entries = await queue.put(6)
    await queue.take(1)
    await redis.xdel(STAGE.finals, entries[3])
    groups = await redis.xinfo_groups(STAGE.finals)
    assert groups[0]["lag"] is None
    backlog = await read_often(redis)
    assert (backlog.undelivered, backlog.pending, backlog.trusted, backlog.doubt) == (4, 1, True, "")


@dataclass
class Traffic:
    """A feeder and four workers, and bounds of what can be in the stream at any moment."""

    queue: Queue
    put_begun: int = 0
    put_done: int = 0
    settle_begun: int = 0
    settle_done: int = 0
    feeding: bool = True

    async def feed(self) -> None:
        """Put bursts of jobs; the next when there are few left."""
        chance = random.Random(1)
        while self.feeding:
            if self.put_done - self.settle_done < 20:
                burst = chance.randint(1, 12)
                self.put_begun += burst
                await self.queue.put(burst)
                self.put_done += burst
            await asyncio.sleep(0.001)

    async def work(self, name: str) -> None:
        """Claim, work for a while on each, and settle in any order."""
        chance = random.Random(name)
        while self.feeding or self.settle_done < self.put_done:
            entries = await self.queue.take(chance.randint(1, 4), name)
            chance.shuffle(entries)
            for entry in entries:
                await asyncio.sleep(chance.uniform(0, 0.02))
                self.settle_begun += 1
                await self.queue.settle([entry])
                self.settle_done += 1


async def test_reads_are_true_while_workers_acknowledge_and_delete(
    redis: Redis, record_testsuite_property: Callable[[str, object], None]
) -> None:
    """While four workers claim, acknowledge and delete in parallel, each of 2,000 reads is what can be at that moment
    and never doubted, though the lag is often nil; at rest it is the truth.
    """
    traffic, samples, trust = Traffic(Queue(redis)), Counter[str](), Trust()
    await traffic.queue.group()
    workers = [asyncio.create_task(traffic.work(f"w{number}")) for number in range(4)]
    feeder = asyncio.create_task(traffic.feed())
    for _ in range(2000):
        put, settled = traffic.put_done, traffic.settle_done
        reading, trust = await read_backlog([redis], STAGE, trust)
        backlog = reading.backlog
        assert min(backlog.undelivered, backlog.pending) >= 0
        assert put - traffic.settle_begun <= backlog.undelivered + backlog.pending <= traffic.put_begun - settled
        assert backlog.trusted
        samples["nil lag" if reading.shards[0].finals.lag is None else "a lag"] += 1
        samples["doubted"] += bool(backlog.doubt)
    traffic.feeding = False
    await feeder
    await asyncio.gather(*workers)
    record_testsuite_property("backlog samples", f"{dict(samples)}, {traffic.settle_done} jobs")
    assert samples["doubted"] == 0
    assert samples["nil lag"] > 0
    backlog = await read(redis)
    assert (backlog.undelivered, backlog.pending) == (0, 0)
    await traffic.queue.put(7)
    await traffic.queue.take(3)
    backlog = await read(redis)
    assert (backlog.undelivered, backlog.pending, backlog.trusted) == (4, 3, True)


async def test_a_stream_trimmed_under_its_workers_is_not_trusted(redis: Redis) -> None:
    """Jobs in hand that a trim took out of the stream make the numbers wrong: after some reads nothing is decided by
    them, and the doubt says why; one such read alone costs no trust.
    """
    queue = Queue(redis)
    await queue.group()
    await queue.put(10)
    await queue.take(4)
    await redis.xtrim(STAGE.finals, maxlen=3, approximate=False)
    assert (await read(redis)).trusted
    backlog = await read_often(redis)
    assert not backlog.trusted
    assert "trimmed" in backlog.doubt
    assert backlog.undelivered >= 0


async def test_a_trim_is_recognised_though_the_numbers_look_well(redis: Redis) -> None:
    """Two lost jobs among ten that are left give a plausible number, which is still not believed."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(12)
    await queue.take(2)
    await redis.xtrim(STAGE.finals, maxlen=10, approximate=False)
    backlog = await read_often(redis)
    assert not backlog.trusted
    assert "no longer in the stream" in backlog.doubt


async def test_trust_comes_back_with_the_first_read_that_agrees(redis: Redis) -> None:
    """Once the lost jobs are acknowledged the numbers hold again."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(6)
    taken = await queue.take(4)
    await redis.xtrim(STAGE.finals, maxlen=3, approximate=False)
    trust = Trust()
    for _ in range(DOUBTED_READS):
        reading, trust = await read_backlog([redis], STAGE, trust)
    assert not reading.backlog.trusted
    await queue.settle(taken)
    reading, trust = await read_backlog([redis], STAGE, trust)
    assert (reading.backlog.undelivered, reading.backlog.pending, reading.backlog.trusted) == (2, 0, True)


async def test_a_phantom_lag_is_recognised_and_not_used(redis: Redis) -> None:
    """A lag larger than the stream, as Redis 7.0 to 7.4.1 reports for ever after a trim, is said and not believed: the
    number that does not come from it holds.
    """
    queue = Queue(redis)
    await queue.group()
    await queue.put(2)
    # What those versions are left with: entries counted as added that are in the stream no more and were never read.
    await redis.execute_command("XSETID", STAGE.finals, "99999999999999-0", "ENTRIESADDED", 50)
    await redis.execute_command("XGROUP", "SETID", STAGE.finals, STAGE.group, "0", "ENTRIESREAD", 0)
    groups = await redis.xinfo_groups(STAGE.finals)
    backlog = await read_often(redis)
    assert groups[0]["lag"] == 50
    assert (backlog.undelivered, backlog.trusted) == (2, True)
    assert "50" in backlog.doubt


async def test_a_lag_that_contradicts_the_number_costs_the_trust(redis: Redis) -> None:
    """Where Redis' own count is possible, and another, nobody knows which is right."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(5)
    await redis.execute_command("XGROUP", "SETID", STAGE.finals, STAGE.group, "0", "ENTRIESREAD", 2)
    backlog = await read_often(redis)
    groups = await redis.xinfo_groups(STAGE.finals)
    assert backlog.trusted == (groups[0]["lag"] in (None, 5))


async def test_a_server_that_lost_its_data_is_recognised(tmp_path: Path) -> None:
    """After a restart without its data the streams are gone: nothing to do, and the doubt says what was lost."""
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    redis = connect(server.url)
    try:
        queue = Queue(redis)
        await queue.put(5)
        await redis.hset(STAGE.load, mapping={"arrived_ms": 61_500, "arrived_jobs": 12})
        _, trust = await read_backlog([redis], STAGE, Trust())
        server.restart()
        await redis.connection_pool.disconnect()
        reading, trust = await read_backlog([redis], STAGE, trust)
        assert (reading.backlog.undelivered, reading.backlog.trusted) == (0, True)
        assert "restarted and lost data" in reading.backlog.doubt
        reading, _ = await read_backlog([redis], STAGE, trust)
        assert reading.backlog.doubt == ""
    finally:
        await redis.aclose()
        server.kill()


async def test_a_restart_with_data_changes_no_number(valkey_server: ValkeyServer) -> None:
    """Streams, group and counters outlive a server that keeps an append-only file."""
    redis = connect(valkey_server.url)
    try:
        queue = Queue(redis)
        await queue.group()
        await queue.put(5)
        await queue.take(2)
        before, trust = await read_backlog([redis], STAGE, Trust())
        valkey_server.stop()
        valkey_server.start()
        await redis.connection_pool.disconnect()
        after, _ = await read_backlog([redis], STAGE, trust)
        assert (after.backlog.undelivered, after.backlog.pending) == (3, 2)
        assert after.backlog.trusted
        assert "with its data" in after.backlog.doubt
        assert before.backlog.doubt == ""
    finally:
        await redis.aclose()


async def test_shards_add_up(shards: list[Redis]) -> None:
    """Jobs, counters and consumers of all shards are one stage's; the oldest job is the oldest of any."""
    for number, redis in enumerate(shards):
        queue = Queue(redis)
        await queue.group()
        seconds, _ = await redis.time()
        await redis.xadd(STAGE.finals, {"job": b"x"}, id=f"{(seconds - 60 * number) * 1000}-0")
        await queue.take(1, "both")
        await redis.xadd(STAGE.finals, {"job": b"x"})
        await redis.hset(STAGE.load, mapping={"arrived_ms": 1000, "arrived_jobs": 2, "done_ms": 500, "busy_ms": 250})
    reading, _ = await read_backlog(shards, STAGE, Trust())
    backlog = reading.backlog
    assert (backlog.undelivered, backlog.pending, backlog.arrived_jobs) == (2, 2, 4)
    assert (backlog.arrived_work, backlog.done_work, backlog.busy_seconds) == (2.0, 1.0, 0.5)
    assert backlog.oldest_seconds == pytest.approx(60, abs=20)
    assert reading.consumers.pending("both") == 2


async def test_one_shard_away_is_an_error(redis: Redis) -> None:
    """The backlog of the shards that answer is not the backlog of the stage."""
    gone = connect(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(BacklogError, match="shard 1: ConnectionError"):
        await read(redis, gone)
    await gone.aclose()


@pytest.mark.parametrize("key", [STAGE.finals, STAGE.partials, STAGE.load])
async def test_a_key_of_another_type_is_an_error(redis: Redis, key: str) -> None:
    """Something else under one of the stage's names is never read as nothing to do."""
    await redis.set(key, "what is this")
    with pytest.raises(BacklogError, match="WRONGTYPE"):
        await read(redis)


async def test_a_counter_that_is_no_number_is_an_error(redis: Redis) -> None:
    """Nor is a counter that somebody wrote over."""
    await redis.hset(STAGE.load, mapping={"arrived_ms": "many"})
    with pytest.raises(BacklogError, match="ValueError"):
        await read(redis)


async def test_a_server_that_refuses_is_an_error(servers: list[ValkeyServer], redis: Redis) -> None:
    """A refused command is an error with the server's own words."""
    await redis.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@all", "-xinfo")
    reader = connect(servers[0].url.replace("redis://", "redis://reader:any@"))
    with pytest.raises(BacklogError, match="no permissions"):
        await read(reader)
    await reader.aclose()


async def test_a_server_that_hangs_is_an_error(valkey_server: ValkeyServer) -> None:
    """A server that takes connections and never answers is one too, in bounded time; once it answers all is well."""
    redis = connect(valkey_server.url, timeout=0.2)
    try:
        await Queue(redis).put(1)
        valkey_server.pause()
        with pytest.raises(BacklogError):
            await read(redis)
        valkey_server.resume()

        async def answers() -> bool:
            try:
                return (await read(redis)).undelivered == 1
            except BacklogError:
                return False

        assert await eventually(answers, "the backlog")
    finally:
        valkey_server.resume()
        await redis.aclose()


async def test_consumers_are_told_apart(redis: Redis) -> None:
    """What each worker holds, on both streams, is known by its instance id."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(5)
    await queue.put(2, STAGE.partials)
    await queue.take(3, "w1")
    await queue.take(1, "w2")
    await queue.take(1, "w2", STAGE.partials)
    reading, _ = await read_backlog([redis], STAGE, Trust())
    assert {name: state.pending for name, state in reading.consumers.states.items()} == {"w1": 3, "w2": 2}
    assert reading.consumers.pending("w3") == 0
    assert all(0 <= state.idle_seconds < 60 for state in reading.consumers.states.values())


async def test_a_gone_consumer_with_jobs_is_kept(redis: Redis) -> None:
    """Deleting a consumer would delete its jobs: it stays until a peer has claimed them, and only the named ones go."""
    queue = Queue(redis)
    await queue.group()
    await queue.put(4)
    entries = await queue.take(2, "dead")
    await queue.settle(await queue.take(1, "idle"))
    await queue.settle(await queue.take(1, "living"))
    assert await forget_consumers([redis], STAGE, ["dead", "idle", "never_was"]) == {"dead"}
    reading, _ = await read_backlog([redis], STAGE, Trust())
    assert set(reading.consumers.states) == {"dead", "living"}
    assert reading.backlog.pending == 2
    await redis.xclaim(STAGE.finals, STAGE.group, "living", 0, entries)
    assert await forget_consumers([redis], STAGE, ["dead"]) == set()
    reading, _ = await read_backlog([redis], STAGE, Trust())
    assert set(reading.consumers.states) == {"living"}
    assert reading.backlog.pending == 2


async def test_forgetting_needs_no_stream(redis: Redis) -> None:
    """Where there is no stream or no group there is nobody to forget; a server that is away is an error."""
    assert await forget_consumers([redis], STAGE, ["dead"]) == set()
    await Queue(redis).put(1)
    assert await forget_consumers([redis], STAGE, ["dead"]) == set()
    gone = connect(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(BacklogError):
        await forget_consumers([gone], STAGE, ["dead"])
    await gone.aclose()
