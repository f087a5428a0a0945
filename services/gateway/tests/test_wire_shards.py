"""A gateway over several Valkeys: where sessions lie, what one that is away costs the others, and coming back."""

from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from redis.asyncio import Redis
from wire_raw import knocking
from wire_world import ANSWER, Caller, GatewayProcess, Scribe, call, working

from speechpipe_common.shards import shard_of
from speechpipe_common.store import connect
from speechpipe_common.testing import ValkeyServer, eventually

SPREAD = 48
"""Sessions, so many that one of three shards without any is no accident (a chance of 1 in 90 million)."""


@pytest.fixture
def valkeys(tmp_path: Path) -> Iterator[list[ValkeyServer]]:
    """Three started Valkeys with an AOF, to be killed and restarted."""
    servers = [ValkeyServer(tmp_path / f"valkey-{number}", aof=True) for number in range(3)]
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A few seconds of somebody speaking."""
    return clips[min(name for name in clips if name.startswith("en/"))]


def listed(servers: list[ValkeyServer]) -> str:
    """Their addresses as a setting."""
    return ",".join(server.url for server in servers)


async def names(server: ValkeyServer, part: str) -> set[str]:
    """Keys with ``part`` in their name."""
    redis: Redis = connect(server.url)
    found = {key.decode() async for key in redis.scan_iter(match=f"*{part}*")}
    await redis.aclose()
    return found


async def on(gateway: GatewayProcess, stack: AsyncExitStack, shard: int) -> tuple[Caller, dict[str, str]]:
    """A client whose session lies on that shard, and its ``ready``; others that came by chance are let go."""
    while True:
        caller = await stack.enter_async_context(call(gateway))
        ready = await caller.start()
        if shard_of(ready["token"]) == shard:
            return caller, ready
        await caller.say("stop")


async def test_sessions_are_spread_and_each_lies_whole_on_one_shard(
    valkeys: list[ValkeyServer], tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """New sessions go to all shards; every key of one is on the shard that its token names; its final comes from it."""
    with GatewayProcess(listed(valkeys), tmp_path / "gateway", MAX_SESSIONS="99") as gateway:
        async with working(gateway), AsyncExitStack() as stack:
            shards: Counter[int] = Counter()
            for _ in range(SPREAD):
                caller = await stack.enter_async_context(call(gateway))
                shards[shard_of((await caller.start())["token"])] += 1
            assert set(shards) == {0, 1, 2}, shards
            for shard in range(3):
                caller, ready = await on(gateway, stack, shard)
                await caller.send_audio(speech)
                await caller.say("flush")
                assert (await caller.hears("final"))["text"] == ANSWER
                holders = [bool(await names(server, ready["session_id"])) for server in valkeys]
                assert holders == [number == shard for number in range(3)]
            assert gateway.metric("sessions") >= SPREAD


async def test_sessions_outlive_a_change_of_the_number_of_shards(
    valkeys: list[ValkeyServer], tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """A session from before shards were added, and one of a shard that is being emptied, go on at another gateway."""
    async with AsyncExitStack() as stack:
        prefix = "all:"
        with GatewayProcess(valkeys[0].url, tmp_path / "one", KEY_PREFIX=prefix) as gateway:
            caller, early = await on(gateway, stack, 0)
            caller.vanish()
        with GatewayProcess(listed(valkeys), tmp_path / "three", KEY_PREFIX=prefix) as gateway:
            early = await resumed(gateway, early, speech)
            caller, late = await on(gateway, stack, 2)
            caller.vanish()
        with GatewayProcess(listed(valkeys), tmp_path / "fewer", KEY_PREFIX=prefix, REDIS_SHARDS="1") as gateway:
            await resumed(gateway, late, speech)
            await resumed(gateway, early, speech)
            for _ in range(12):
                assert shard_of((await (await stack.enter_async_context(call(gateway))).start())["token"]) == 0
        with GatewayProcess(valkeys[0].url, tmp_path / "gone", KEY_PREFIX=prefix) as gateway:
            caller = await stack.enter_async_context(call(gateway))
            await caller.say("resume", session_id=late["session_id"], token=late["token"])
            assert await caller.closed() == 1008


async def resumed(gateway: GatewayProcess, ready: dict[str, str], speech: NDArray[np.int16]) -> dict[str, str]:
    """Come back, speak, get a final and go; the new ``ready``, with a token of the same shard."""
    async with working(gateway), call(gateway, query="?resume=1") as caller:
        await caller.say("resume", session_id=ready["session_id"], token=ready["token"])
        again = await caller.hears("ready")
        assert again["resumed"] is True
        assert shard_of(again["token"]) == shard_of(ready["token"])
        await caller.send_audio(np.tile(speech, 3)[again["offset"] :])
        await caller.say("flush")
        assert (await caller.hears("final"))["text"] == ANSWER
        caller.vanish()
    return again


async def test_a_shard_that_is_away_harms_no_other(
    valkeys: list[ValkeyServer], tmp_path: Path, speech: NDArray[np.int16]
) -> None:
    """While one of three is dead, the sessions of the others get their finals and new ones are opened there; health
    names it, and readiness stands; when it is back, its session gets what it is owed, once.
    """
    with GatewayProcess(listed(valkeys), tmp_path / "gateway") as gateway:
        async with working(gateway) as scribe, AsyncExitStack() as stack:
            callers = [(await on(gateway, stack, shard))[0] for shard in range(3)]
            valkeys[1].kill()
            await eventually(lambda: "redis shard 1" in gateway.get("/ready")[1], "the dead shard to be named")
            assert gateway.get("/ready")[0] == 200
            for shard in (0, 2):
                await callers[shard].send_audio(speech)
                await callers[shard].say("flush")
                assert (await callers[shard].hears("final"))["text"] == ANSWER
            for _ in range(12):
                caller = await stack.enter_async_context(call(gateway))
                assert shard_of((await caller.start())["token"]) != 1
            await callers[1].send_audio(speech)
            await callers[1].say("stop")
            assert callers[1].of("final") == []
            valkeys[1].start()
            assert await callers[1].closed() == 1000
            await once(callers[1], scribe)
            await eventually(lambda: "redis shard" not in gateway.get("/ready")[1], "all shards to answer")


async def once(caller: Caller, scribe: Scribe) -> None:
    """The client got finals, each of them once."""
    segments = [message["segment_id"] for message in caller.of("final")]
    assert segments
    assert len(segments) == len(set(segments))
    assert scribe.jobs


async def test_all_shards_away_is_no_readiness(valkeys: list[ValkeyServer], tmp_path: Path) -> None:
    """A gateway without any Redis is not ready and takes nobody in; it is again with the first that comes back."""
    with GatewayProcess(listed(valkeys), tmp_path / "gateway") as gateway:
        for server in valkeys:
            server.kill()
        await eventually(lambda: gateway.get("/ready")[0] == 503, "no readiness")
        assert msgspec.json.decode(gateway.get("/ready")[1])["reasons"]["redis"] == "Redis does not answer"
        await eventually(lambda: refusal(gateway, "redis_unavailable"), "new sessions to be refused")
        valkeys[2].start()
        await eventually(lambda: gateway.get("/ready")[0] == 200, "readiness")
        async with call(gateway) as caller:
            assert shard_of((await caller.start())["token"]) == 2


async def test_a_full_shard_gets_no_new_sessions(valkeys: list[ValkeyServer], tmp_path: Path) -> None:
    """Queue depth counts by shard: new sessions avoid a full one, and only when all are full are they refused."""
    with GatewayProcess(listed(valkeys), tmp_path / "gateway", MAX_QUEUE_DEPTH="2") as gateway:
        clients = [connect(server.url) for server in valkeys]
        async with AsyncExitStack() as stack:
            for shard in (0, 2):
                for _ in range(2):
                    await clients[shard].xadd(gateway.keys.audio_jobs, {"job": "none"})
            await eventually(lambda: depth(gateway) == 4, "full shards to be seen")
            for _ in range(12):
                caller = await stack.enter_async_context(call(gateway))
                assert shard_of((await caller.start())["token"]) == 1
            for _ in range(2):
                await clients[1].xadd(gateway.keys.audio_jobs, {"job": "none"})
            await eventually(lambda: refusal(gateway, "overloaded"), "new sessions to be refused")
        for client in clients:
            await client.aclose()


def depth(gateway: GatewayProcess) -> int:
    """Jobs that wait, as health says."""
    found: int = msgspec.json.decode(gateway.get("/health")[1])["queue_depth"]
    return found


async def refusal(gateway: GatewayProcess, code: str) -> bool:
    """Whether a new client is refused with 503 and that code."""
    async with knocking(gateway) as raw:
        return raw.status == 503 and raw.body["code"] == code
