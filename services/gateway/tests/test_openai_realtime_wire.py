"""The OpenAI Realtime protocol over real sockets: who may be silent, what pages are told, how connections end."""

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol
from wire_world import ANSWER, PATIENCE, GatewayProcess, call, working

from speechpipe_common.wire import Start
from speechpipe_gateway.media import AudioInput

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/realtime?intent=transcription"


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that hangs up on who says nothing for a second, and translates where nobody says else."""
    languages = {"DEFAULT_SOURCE_LANGUAGE": "en", "DEFAULT_TARGET_LANGUAGES": "es"}
    with GatewayProcess(valkey, tmp_path_factory.mktemp("realtime"), IDLE_TIMEOUT_SECONDS="1", **languages) as process:
        yield process


@asynccontextmanager
async def session(gateway: GatewayProcess, **options: Any) -> AsyncIterator[ClientConnection]:
    """A connection that has its first event."""
    url = gateway.url.removesuffix("/ws") + PATH
    headers = {"Authorization": f"Bearer {gateway.key}"}
    async with asyncio.timeout(PATIENCE), connect(url, additional_headers=headers, **options) as socket:
        assert json.loads(await socket.recv())["type"] == "session.created"
        yield socket


def mulaw(samples: NDArray[np.int16]) -> bytes:
    """The nearest code for each 8 kHz sample."""
    levels = AudioInput(Start(format="mulaw")).feed(bytes(range(256))).astype(int)
    order = np.argsort(levels)
    return order[np.searchsorted(levels[order], samples).clip(0, 255)].astype(np.uint8).tobytes()


async def until(socket: ClientConnection, name: str) -> list[dict[str, Any]]:
    """Events up to the first of a type."""
    events: list[dict[str, Any]] = []
    while not events or not events[-1]["type"].endswith(name):
        events.append(json.loads(await socket.recv()))
    return events


async def test_clients_may_be_silent(gateway: GatewayProcess) -> None:
    """The protocol has no keepalive: a connection outlives the time after which a native one is closed as idle."""
    async with session(gateway) as socket:
        async with call(gateway) as native:
            assert await native.closed() == 4408
        await socket.send('{"type": "input_audio_buffer.clear"}')
        assert json.loads(await socket.recv())["type"] == "input_audio_buffer.cleared"


async def test_speech_becomes_an_item(gateway: GatewayProcess, clips: dict[str, NDArray[np.int16]]) -> None:
    """From 24 kHz in base64 to the transcript that the worker gave; nothing is translated for nobody."""
    speech = soxr.resample(np.concatenate([clips["en/quick_brown_fox"], np.zeros(24_000, np.int16)]), 16_000, 24_000)
    async with working(gateway) as scribe, session(gateway) as socket:
        for begin in range(0, len(speech), 12_000):
            audio = base64.b64encode(speech[begin : begin + 12_000].astype("<i2").tobytes()).decode()
            await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        events = await until(socket, "completed")
        kinds = [event["type"] for event in events if not event["type"].endswith(".delta")]
        assert [kind.removeprefix("input_audio_buffer.") for kind in kinds] == [
            "speech_started",
            "speech_stopped",
            "committed",
            "conversation.item.added",
            "conversation.item.input_audio_transcription.completed",
        ]
        assert events[-1]["transcript"] == ANSWER
        assert not scribe.missing
    assert {(job.language, job.targets) for job in scribe.jobs} == {("en", ())}


async def test_a_commit_holds_all_that_was_appended(
    gateway: GatewayProcess, clips: dict[str, NDArray[np.int16]]
) -> None:
    """Speech that ends with the last sample before the commit reaches the worker to its last sample."""
    clip = clips["en/quick_brown_fox"]
    loud = np.flatnonzero(np.abs(clip) > 2_000)[-1]
    speech = soxr.resample(clip[:loud], 16_000, 8_000)
    update = {"type": "transcription", "audio": {"input": {"format": {"type": "audio/pcmu"}, "turn_detection": None}}}
    async with working(gateway) as scribe, session(gateway) as socket:
        await socket.send(json.dumps({"type": "session.update", "session": update}))
        audio = base64.b64encode(mulaw(speech)).decode()
        await socket.send(json.dumps({"type": "input_audio_buffer.append", "audio": audio}))
        await socket.send('{"type": "input_audio_buffer.commit"}')
        await until(socket, "completed")
    assert max(job.end for job in scribe.jobs) >= loud


async def test_a_page_with_a_wrong_key_hears_why(gateway: GatewayProcess) -> None:
    """It sees no status: an ``error`` event comes instead, and close 1008; a program gets 401."""
    url, page = gateway.url.removesuffix("/ws") + PATH, Origin(f"http://127.0.0.1:{gateway.port}")
    offered = [Subprotocol("realtime"), Subprotocol("openai-insecure-api-key.sp_wrong")]
    async with asyncio.timeout(PATIENCE), connect(url, origin=page, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        event = json.loads(await socket.recv())
        assert (event["type"], event["error"]["code"], event["error"]["param"]) == ("error", "invalid_api_key", None)
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1008
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, subprotocols=offered)
    assert caught.value.response.status_code == 401


async def test_a_drain_sends_clients_elsewhere(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """SIGTERM closes with 1012, which the vendor's SDKs take for a reason to connect again."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("drained")) as process:
        async with session(process) as socket:
            process.process.send_signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                await until(socket, "nothing of this name")
            assert socket.close_code == 1012
