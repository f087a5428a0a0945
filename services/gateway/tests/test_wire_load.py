"""Much audio, fast audio, and audio without speech, over real sockets: bounded memory, nothing lost, nobody slowed."""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Iterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from wire_world import RATE, Caller, GatewayProcess, PeakMemory, Scribe, call, neighbour, unbroken, working

from speechpipe_common.testing import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = 600.0
"""Seconds; for talk that takes minutes of a loaded machine to send."""


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with its defaults."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles jobs."""
    async with working(gateway) as scribe:
        yield scribe


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A few seconds of somebody speaking."""
    return clips[min(name for name in clips if name.startswith("en/"))]


def cover(caller: Caller, scribe: Scribe, client: str, spoken: NDArray[np.int16]) -> None:
    """The finals follow each other without gap or overlap to the end, and each was decoded from its own samples."""
    finals = [(round(m["start"] * RATE), round(m["end"] * RATE)) for m in caller.of("final")]
    assert finals == sorted(finals)
    assert all(before[1] == after[0] for before, after in itertools.pairwise(finals))
    assert finals[0][0] <= RATE
    assert finals[-1][1] == len(spoken)
    for start, end in finals:
        assert scribe.pcm[client, start, end] == spoken[start:end].tobytes()


async def test_ten_minutes_of_silence_are_nothing(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> None:
    """Silence makes no job and no caption, is acknowledged so that the client may forget it, and takes no memory."""
    silence = np.zeros(600 * RATE, np.int16)
    async with neighbour(gateway, speech), call(gateway) as caller:
        with PeakMemory(gateway) as memory:
            ready = await caller.start()
            await caller.send_audio(silence, 4.0)
            await caller.say("stop")
            assert await caller.closed(LONG) == 1000
    assert {m["type"] for m in caller.messages} == {"ready", "audio_ack"}
    assert caller.of("audio_ack")[-1]["offset"] > 595 * RATE
    assert scribe.of(ready["session_id"]) == []
    assert memory.growth_mb < 20


@pytest.mark.parametrize("level", [300, 3_000, 20_000])
async def test_white_noise_is_nothing(level: int, gateway: GatewayProcess, scribe: Scribe) -> None:
    """A minute of noise of any loudness never become a job, so no text can be invented for it."""
    noise = np.random.default_rng(1).normal(0, level, 60 * RATE).clip(-32_768, 32_767).astype(np.int16)
    async with call(gateway) as caller:
        ready = await caller.start()
        await caller.send_audio(noise, 4.0)
        await caller.say("stop")
        assert await caller.closed(LONG) == 1000
    assert scribe.of(ready["session_id"]) == []


@pytest.mark.timeout(900)
async def test_half_an_hour_of_unbroken_speech(
    gateway: GatewayProcess,
    scribe: Scribe,
    clips: dict[str, NDArray[np.int16]],
    speech: NDArray[np.int16],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Sent as fast as it is taken: memory stays bounded, and the finals cover every sample once, in order."""
    spoken = unbroken(clips, 1_800)
    async with neighbour(gateway, speech), call(gateway) as caller:
        with PeakMemory(gateway) as memory:
            ready = await caller.start(silence_threshold_seconds=10, sample_rate=RATE)
            await caller.send_audio(spoken, 4.0)
            await caller.say("stop")
            assert await caller.closed(LONG) == 1000
    cover(caller, scribe, ready["session_id"], spoken)
    with capsys.disabled():
        count = len(caller.of("final"))
        sys.stdout.write(f"\n30 minutes of speech: {count} finals, gateway grew by {memory.growth_mb:.1f} MB\n")
    assert memory.growth_mb < 30
    assert scribe.missing == []


async def test_fifty_times_real_time_loses_nothing(
    gateway: GatewayProcess, scribe: Scribe, clips: dict[str, NDArray[np.int16]], speech: NDArray[np.int16]
) -> None:
    """A minute in 100 ms frames without a pause between them, partials on: every sample is in one final."""
    spoken = unbroken(clips, 60)
    async with neighbour(gateway, speech), call(gateway) as caller:
        ready = await caller.start(silence_threshold_seconds=10)
        await caller.send_audio(spoken, 0.1)
        await caller.say("stop")
        assert await caller.closed(LONG) == 1000
    cover(caller, scribe, ready["session_id"], spoken)


async def test_a_client_is_not_read_while_its_finals_wait(
    gateway: GatewayProcess, scribe: Scribe, clips: dict[str, NDArray[np.int16]]
) -> None:
    """While no worker works, about sixteen segments are taken and then no more; afterwards nothing is missing."""
    spoken = unbroken(clips, 400)
    before = gateway.metric("audio_received_seconds_total")
    readings = [-1.0]

    async def stands_still() -> bool:
        await asyncio.sleep(0.5)
        readings.append(gateway.metric("audio_received_seconds_total") - before)
        return readings[-1] == readings[-2] > 100

    scribe.may_work.clear()
    async with call(gateway) as caller:
        ready = await caller.start(silence_threshold_seconds=10, partials=False)
        sending = asyncio.create_task(caller.send_audio(spoken, 4.0))
        await eventually(stands_still, "backpressure", 120)
        assert not sending.done()
        assert readings[-1] <= 16 * 10 + 10 + 8
        scribe.may_work.set()
        await sending
        await caller.say("stop")
        assert await caller.closed(LONG) == 1000
    cover(caller, scribe, ready["session_id"], spoken)
