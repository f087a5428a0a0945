"""The consumer in processes of its own, killed and stopped for real, on a real Valkey."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import redis.asyncio

from speechpipe_common.testing import ValkeyServer, eventually

SCRIPT = Path(__file__).with_name("worker_process.py")


def _ended(process: subprocess.Popen[bytes]) -> bool:
    return process.poll() is not None


class Workers:
    """Starts worker processes and ends those that are left."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._all: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, **environment: str) -> "subprocess.Popen[bytes]":
        """A worker called ``name``."""
        settings = {
            "REDIS_URL": self._url,
            "INSTANCE_ID": name,
            "HEALTH_PORT": "0",
            "HEALTH_HOST": "127.0.0.1",
            "CLAIM_IDLE_SECONDS": "1.5",
        }
        process = subprocess.Popen([sys.executable, str(SCRIPT)], env=os.environ | settings | environment)
        self._all.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._all:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()


@pytest.fixture
def workers(valkey: str) -> Iterator[Workers]:
    """Workers on the shared Valkey."""
    started = Workers(valkey)
    yield started
    started.end()


async def submit(client: redis.asyncio.Redis, *tasks: str, stream: str = "jobs", first: int = 0) -> None:
    """Put tasks on a stream, numbered from ``first``."""
    for number, do in enumerate(tasks, first):
        await client.xadd(stream, {"job": json.dumps({"number": number, "do": do})})


async def begun(client: redis.asyncio.Redis) -> list[dict]:
    """What reached a handler so far."""
    return [json.loads(note) for note in await client.lrange("begun", 0, -1)]


async def done(client: redis.asyncio.Redis) -> list[int]:
    """Numbers of the settled jobs."""
    return sorted(int(number) for number in await client.lrange("done", 0, -1))


async def test_what_a_killed_worker_held_is_done_by_another_alone(redis_client, workers):
    """After kill -9 in the middle of a batch, a peer does each of its jobs in a batch of one, and nothing is lost."""
    await submit(redis_client, "wait", "wait", "wait")
    first = workers.start("first")
    await eventually(lambda: has_begun(redis_client, 3))
    workers.start("second")
    first.kill()
    await redis_client.set("go", 1)
    await eventually(lambda: is_done(redis_client, [0, 1, 2]), "all three jobs")
    notes = await begun(redis_client)
    assert {note["batch"] for note in notes if note["worker"] == "first"} == {3}
    assert [(n["number"], n["batch"], n["deliveries"]) for n in notes if n["worker"] == "second"] == [
        (0, 1, 2),
        (1, 1, 2),
        (2, 1, 2),
    ]
    assert await redis_client.xlen("jobs") == 0


async def test_work_is_counted_once_however_often_it_is_delivered(redis_client, workers):
    """After two workers were killed with jobs in hand, the work done is the work that came, jobs buried included."""
    kinds = ("ok", "wait", "ok", "die", "fail")
    for number in range(10):
        task = {"number": number, "do": kinds[number % 5]}
        await redis_client.xadd("jobs", {"job": json.dumps(task), "ms": 1000 + number})
    # One kill more, and a job that only waits could be delivered too often as well: each kill may meet the same one.
    for name in ("w0", "w1"):
        process = workers.start(name, TEST_MAX_BATCH="3", TEST_PARALLEL="2")
        await eventually(partial(holds_something, redis_client, name), "jobs in hand")
        process.kill()
        process.wait()
    await redis_client.set("go", 1)
    while await redis_client.xlen("jobs"):
        process = workers.start("last", TEST_MAX_BATCH="3", TEST_PARALLEL="2")
        await eventually(partial(empty_or_ended, redis_client, process), "the end of the jobs, or of a worker")
    assert await redis_client.xlen("dead_letters") == 4
    assert int(await redis_client.hget("load:workers", "done_ms")) == sum(1000 + number for number in range(10))


async def holds_something(client: redis.asyncio.Redis, name: str) -> bool:
    """Whether the consumer of that name has jobs pending."""
    with contextlib.suppress(redis.ResponseError):
        rows = await client.xinfo_consumers("jobs", "workers")
        return any(row["name"] == name.encode() and row["pending"] for row in rows)
    return False


async def empty_or_ended(client: redis.asyncio.Redis, process: "subprocess.Popen[bytes]") -> bool:
    """Whether no job is left, or the worker has died of one."""
    return process.poll() is not None or not await client.xlen("jobs")


async def test_a_slow_job_is_not_stolen(redis_client, workers):
    """A job that takes two claim idle times stays with its living worker while an idle peer looks on."""
    await submit(redis_client, "wait")
    workers.start("slow", CLAIM_IDLE_SECONDS="3")
    await eventually(lambda: has_begun(redis_client, 1))
    workers.start("idle", CLAIM_IDLE_SECONDS="3")
    await eventually(lambda: consumer_seen(redis_client, "idle"), "the idle worker")
    since, _ = await redis_client.time()
    await eventually(lambda: server_time_is(redis_client, since + 7), "two idle times of 3 s")
    await redis_client.set("go", 1)
    await eventually(lambda: is_done(redis_client, [0]))
    assert [note["worker"] for note in await begun(redis_client)] == ["slow"]


async def test_a_poison_job_is_buried_and_its_batch_mates_are_done(redis_client, workers):
    """A job that kills its worker each time ends in dead_letters after three deliveries; its batch-mates are done."""
    await submit(redis_client, "ok", "die", "ok", "ok")
    for attempt in range(3):
        process = workers.start(f"w{attempt}")
        await eventually(partial(_ended, process), "the worker's death")
        assert process.returncode == -signal.SIGKILL
    workers.start("last")
    await eventually(lambda: redis_client.xlen("dead_letters"), "the burial")
    await eventually(lambda: is_done(redis_client, [0, 2, 3]))
    ((_, letter),) = await redis_client.xrange("dead_letters")
    assert json.loads(letter[b"job"]) == {"number": 1, "do": "die"}
    assert letter[b"deliveries"] == b"4"
    assert b"3 deliveries" in letter[b"reason"]
    again = [note for note in await begun(redis_client) if note["worker"] != "w0"]
    assert {note["batch"] for note in again} == {1}
    assert await redis_client.xlen("jobs") == 0


async def test_sigterm_finishes_what_runs_and_leaves_the_group(redis_client, workers):
    """A worker told to stop ends its batch, exits 0 and deletes itself from the group."""
    await submit(redis_client, "wait")
    process = workers.start("leaver")
    await eventually(lambda: has_begun(redis_client, 1))
    process.terminate()
    await submit(redis_client, "ok", first=1)
    await redis_client.set("go", 1)
    await eventually(lambda: process.poll() is not None, "the worker's end")
    assert process.returncode == 0
    assert await done(redis_client) == [0]
    assert await redis_client.xinfo_consumers("jobs", "workers") == []
    assert await redis_client.xlen("jobs") == 1


async def test_sigterm_hands_back_at_once_what_does_not_finish(redis_client, workers):
    """Jobs that outlast the drain are claimable at once, with their delivery count unchanged, and a peer does them."""
    await submit(redis_client, "wait", "wait")
    process = workers.start("leaver", DRAIN_SECONDS="0.1", CLAIM_IDLE_SECONDS="600")
    await eventually(lambda: has_begun(redis_client, 2))
    process.terminate()
    await eventually(lambda: process.poll() is not None, "the worker's end")
    assert process.returncode == 0
    pending = await redis_client.xpending_range("jobs", "workers", "-", "+", 10)
    assert [entry["times_delivered"] for entry in pending] == [1, 1]
    assert all(entry["time_since_delivered"] > 600_000 for entry in pending)
    assert [consumer["name"] for consumer in await redis_client.xinfo_consumers("jobs", "workers")] == [b"leaver"]
    await redis_client.set("go", 1)
    workers.start("heir", CLAIM_IDLE_SECONDS="600")
    await eventually(lambda: is_done(redis_client, [0, 1]))


async def test_valkey_killed_and_restarted_under_running_workers(valkey_server: ValkeyServer):
    """After Valkey dies and returns, a job in work is settled once, by its own worker, and new jobs are taken."""
    workers = Workers(valkey_server.url)
    try:
        async with redis.asyncio.Redis.from_url(valkey_server.url) as client:
            await client.config_set("appendfsync", "always")
            await submit(client, "wait")
            processes = [workers.start("one"), workers.start("two")]
            await eventually(lambda: has_begun(client, 1))
            for name in ("one", "two"):
                await eventually(lambda name=name: consumer_seen(client, name), name)
        valkey_server.restart()
        async with redis.asyncio.Redis.from_url(valkey_server.url) as client:
            await submit(client, "ok", first=1)
            await client.set("go", 1)
            await eventually(lambda: is_done(client, [0, 1]))
            assert [note["deliveries"] for note in await begun(client)] == [1, 1]
            assert [process.poll() for process in processes] == [None, None]
            assert await client.xlen("jobs") == 0
    finally:
        workers.end()


async def has_begun(client: redis.asyncio.Redis, count: int) -> bool:
    """Whether so many entries reached a handler."""
    return len(await begun(client)) >= count


async def is_done(client: redis.asyncio.Redis, numbers: list[int]) -> bool:
    """Whether exactly these jobs are settled, each once."""
    return [number for number in await done(client) if number in numbers] == numbers


async def consumer_seen(client: redis.asyncio.Redis, name: str) -> bool:
    """Whether a worker has read from the stream."""
    return name.encode() in [consumer["name"] for consumer in await client.xinfo_consumers("jobs", "workers")]


async def server_time_is(client: redis.asyncio.Redis, seconds: int) -> bool:
    """Whether Valkey's clock has reached this second."""
    return (await client.time())[0] >= seconds
