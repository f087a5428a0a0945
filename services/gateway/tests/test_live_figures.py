"""What a session costs: bytes towards Redis, and memory; the figures are printed."""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from counting_proxy import CountingProxy
from numpy.typing import NDArray
from wire_world import RATE, Caller, GatewayProcess, call, unbroken, working

SECONDS = 16


async def talk(caller: Caller, spoken: NDArray[np.int16]) -> float:
    """Speak at the pace of speech, partials on; seconds of audio in the finals."""
    await caller.start()
    began = time.monotonic()
    size = RATE // 10
    for begin in range(0, len(spoken), size):
        await caller.send_audio(spoken[begin : begin + size])
        await asyncio.sleep(max(0.0, began + (begin + size) / RATE - time.monotonic()))
    await caller.say("stop")
    assert await caller.closed() == 1000
    assert caller.of("realtime")
    return float(sum(m["end"] - m["start"] for m in caller.of("final")))


async def test_redis_gets_each_second_of_audio_once(
    valkey: str, tmp_path: Path, clips: dict[str, NDArray[np.int16]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything that a gateway sends to Redis is at most 1.1 times the PCM of its segments, partials, cuts and all."""
    pauses = [piece for clip in clips.values() for piece in (clip, np.zeros(RATE, np.int16))]
    spoken = [
        unbroken(clips, SECONDS),
        np.roll(unbroken(clips, SECONDS), 7 * RATE),
        np.concatenate(pauses)[: SECONDS * RATE],
        np.concatenate(pauses)[SECONDS * RATE : 2 * SECONDS * RATE],
    ]
    port = urlsplit(valkey).port
    assert port is not None
    with CountingProxy(port) as proxy, GatewayProcess(f"redis://127.0.0.1:{proxy.port}", tmp_path) as gateway:
        gateway.redis_url = valkey  # the worker goes there directly
        async with working(gateway) as scribe, AsyncExitStack() as stack:
            callers = [await stack.enter_async_context(call(gateway)) for _ in spoken]
            before = proxy.sent
            seconds = sum(await asyncio.gather(*map(talk, callers, spoken)))
            sent = proxy.sent - before
        jobs = {kind: sum(job.kind == kind for job in scribe.jobs) for kind in ("partial", "candidate", "final")}
    ratio = sent / (seconds * RATE * 2)
    with capsys.disabled():
        sys.stdout.write(f"\nbytes to Redis: {ratio:.3f} x PCM over {seconds:.0f} s of segments, jobs {jobs}\n")
    assert jobs["partial"] > SECONDS
    assert jobs["final"] >= 4
    assert ratio <= 1.1


async def test_idle_sessions_are_small(valkey: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred open, quiet sessions take at most 10 MB beyond the base; with detectors and buffers filled, 25."""
    silence = np.zeros(2 * RATE, np.int16)

    async def stream(caller: Caller) -> None:
        await caller.send_audio(silence, 0.1)
        await caller.say("set_langs", source_language="nobody")  # its answer comes after the audio was taken
        await caller.hears("error")

    with GatewayProcess(valkey, tmp_path, MAX_SESSIONS_PER_KEY="200") as gateway:
        async with AsyncExitStack() as stack:
            warm = [await stack.enter_async_context(call(gateway)) for _ in range(10)]
            await asyncio.gather(*(caller.start() for caller in warm))
            await asyncio.gather(*map(stream, warm))
            base = gateway.rss
            callers = [await stack.enter_async_context(call(gateway)) for _ in range(100)]
            for caller in callers:
                await caller.start()
            quiet = (gateway.rss - base) / 1e6
            await asyncio.gather(*map(stream, callers))
            streaming = (gateway.rss - base) / 1e6
    with capsys.disabled():
        sys.stdout.write(f"\n100 idle sessions: {quiet:.1f} MB; after streaming silence: {streaming:.1f} MB\n")
    assert quiet <= 10
    assert streaming <= 25


async def test_a_burst_of_sessions_is_taken(valkey: str, tmp_path: Path) -> None:
    """A hundred and fifty clients that say ``start`` at the same moment all get a session."""
    with GatewayProcess(valkey, tmp_path, MAX_SESSIONS_PER_KEY="200") as gateway:
        async with AsyncExitStack() as stack:
            callers = [await stack.enter_async_context(call(gateway)) for _ in range(150)]
            await asyncio.gather(*(caller.start() for caller in callers))
