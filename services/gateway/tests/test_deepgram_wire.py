"""``/v1/listen`` of a real gateway over real sockets: handshakes, containers, and how streams end."""

import asyncio
import io
import json
import urllib.error
import urllib.request
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from opus_world import bomb, cut, packets, recorded
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol
from wire_world import ANSWER, PATIENCE, GatewayProcess, PeakMemory, Scribe, call, working

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATIENT = "endpointing=5000"
"""No client that a busy machine stops for a moment ends a sentence."""

RAW = f"model=nova-3&encoding=linear16&sample_rate=16000&{PATIENT}"


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway with its defaults."""
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway")) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles the jobs of ``gateway``."""
    async with working(gateway) as scribe:
        yield scribe


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """A few seconds of somebody speaking."""
    return clips["en/hello_world"]


@asynccontextmanager
async def listening(gateway: GatewayProcess, query: str = RAW, **options: Any) -> AsyncIterator[ClientConnection]:
    """A connection with the gateway's key, unless ``options`` has its own headers or subprotocols."""
    if "subprotocols" not in options:
        options.setdefault("additional_headers", {"Authorization": f"Token {gateway.key}"})
    address = f"ws://127.0.0.1:{gateway.port}/v1/listen?{query}"
    async with connect(address, open_timeout=PATIENCE, ping_interval=None, max_size=None, **options) as socket:
        yield socket


async def told(socket: ClientConnection) -> list[dict[str, Any]]:
    """All messages until the server closes."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(PATIENCE):
        try:
            while True:
                messages.append(json.loads(await socket.recv()))
        except ConnectionClosed:
            return messages


async def hears(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a type."""
    async with asyncio.timeout(PATIENCE):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if message["type"] == kind:
                return message


def waves(samples: NDArray[np.int16], rate: int) -> list[bytes]:
    """A WAV file in pieces."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setparams((1, 2, rate, len(samples), "NONE", ""))
        file.writeframes(samples.tobytes())
    return cut(made.getvalue(), 3_001)


def finals(messages: list[dict[str, Any]]) -> list[str]:
    """Transcripts that are not empty."""
    said = [m["channel"]["alternatives"][0]["transcript"] for m in messages if m["type"] == "Results"]
    return [text for text in said if text]


async def refused(gateway: GatewayProcess, query: str = RAW, **options: Any) -> tuple[int, dict[str, Any], Any]:
    """Status, body and headers of a handshake that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with listening(gateway, query, **options):
            pass
    response = caught.value.response
    return response.status_code, json.loads(response.body or b"{}"), response.headers


# --- the door --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("headers", [{"Authorization": "Token sp_wrong"}, {"Authorization": "Bearer sp_wrong"}, {}])
async def test_without_the_right_key_there_is_no_upgrade(gateway: GatewayProcess, headers: dict[str, str]) -> None:
    """401, in Deepgram's shape, in the body and in a header."""
    status, body, answered = await refused(gateway, additional_headers=headers)
    assert (status, body["err_code"]) == (401, "INVALID_AUTH")
    assert "API key" in body["err_msg"]
    assert answered["dg-error"] == body["err_msg"]
    assert answered["dg-request-id"] == body["request_id"]


@pytest.mark.parametrize(
    ("query", "named"), [("diarize=true", "diarize"), ("encoding=flac", "flac"), ("model=gpt", "'gpt'")]
)
async def test_what_is_not_supported_is_refused_before_the_upgrade(
    gateway: GatewayProcess, query: str, named: str
) -> None:
    """400, with the option's name."""
    status, body, answered = await refused(gateway, query)
    assert (status, body["err_code"]) == (400, "Bad Request")
    assert named in body["err_msg"]
    assert named in answered["dg-error"]


async def test_a_page_offers_its_key_as_a_subprotocol(gateway: GatewayProcess, speech: NDArray[np.int16]) -> None:
    """It is answered with ``token``, never with the key, and is served."""
    offer = [Subprotocol("token"), Subprotocol(gateway.key)]
    async with listening(gateway, subprotocols=offer, origin=f"http://127.0.0.1:{gateway.port}") as socket:
        assert socket.subprotocol == "token"
        await socket.send(speech.tobytes())
        await socket.send('{"type":"CloseStream"}')
        assert finals(await told(socket)) == [ANSWER]


async def test_a_page_with_a_wrong_key_is_told_in_a_message(gateway: GatewayProcess) -> None:
    """It sees no status: an Error, and close 1008."""
    offer = [Subprotocol("token"), Subprotocol("sp_wrong")]
    async with listening(gateway, subprotocols=offer, origin=f"http://127.0.0.1:{gateway.port}") as socket:
        (error,) = await told(socket)
        assert (error["type"], error["variant"], socket.close_code) == ("Error", "bad_token", 1008)


@pytest.mark.parametrize(("method", "status"), [("GET", 426), ("POST", 405)])
async def test_files_are_not_taken_here(gateway: GatewayProcess, method: str, status: int) -> None:
    """A request that asks for no WebSocket gets a sentence, in Deepgram's shape."""
    body = b"RIFF" if method == "POST" else None
    request = urllib.request.Request(f"http://127.0.0.1:{gateway.port}/v1/listen", body, method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        await asyncio.to_thread(urllib.request.urlopen, request, timeout=PATIENCE)
    said = json.loads(caught.value.read())
    assert (caught.value.code, set(said)) == (status, {"err_code", "err_msg", "request_id"})
    assert "/v1/audio/transcriptions" in said["err_msg"]


# --- streams ---------------------------------------------------------------------------------------------------------


async def test_a_stream_from_its_first_byte_to_its_metadata(gateway: GatewayProcess, speech: NDArray[np.int16]) -> None:
    """Samples cut anywhere; onset, captions, metadata with the stream's length, close 1000."""
    async with listening(gateway, f"{RAW}&interim_results=true&vad_events=true") as socket:
        for piece in cut(speech.tobytes(), 4_001):
            await socket.send(piece)
        await socket.send('{"type":"CloseStream"}')
        messages = await told(socket)
    assert socket.close_code == 1000
    assert messages[0]["type"] == "SpeechStarted"
    results = [message for message in messages if message["type"] == "Results"]
    assert [r["channel"]["alternatives"][0]["transcript"] for r in results if r["is_final"]] == [ANSWER]
    assert results[-1]["speech_final"]
    assert messages[-1]["type"] == "Metadata"
    assert messages[-1]["duration"] == pytest.approx(len(speech) / 16_000, abs=0.01)


async def test_finalize_is_always_answered(gateway: GatewayProcess, speech: NDArray[np.int16]) -> None:
    """In the middle of speech by its caption, and at once when nothing was said."""
    async with listening(gateway) as socket:
        await socket.send('{"type":"Finalize"}')
        assert (await hears(socket, "Results"))["from_finalize"]
        await socket.send(speech[: len(speech) * 2 // 3].tobytes())
        await socket.send('{"type":"KeepAlive"}')
        await socket.send('{"type":"Finalize"}')
        answer = await hears(socket, "Results")
        assert (finals([answer]), answer["from_finalize"]) == ([ANSWER], True)
        await socket.send(b"")
        assert (await told(socket))[-1]["type"] == "Metadata"


@pytest.mark.parametrize("kind", ["webm", "ogg", "opus", "wav"])
async def test_recordings_are_decoded_as_they_come(
    gateway: GatewayProcess, speech: NDArray[np.int16], scribe: Scribe, kind: str
) -> None:
    """What reaches a worker is as long as what was said."""
    made = {"opus": packets, "wav": waves}.get(kind)
    stream = made(speech, 16_000) if made else cut(recorded(speech, 16_000, kind), 700)
    before = len(scribe.jobs)
    async with listening(gateway, f"{PATIENT}&encoding=opus" if kind == "opus" else PATIENT) as socket:
        for piece in stream:
            await socket.send(piece)
        await socket.send('{"type":"CloseStream"}')
        messages = await told(socket)
    assert finals(messages) == [ANSWER]
    assert messages[-1]["duration"] == pytest.approx(len(speech) / 16_000, abs=0.1)
    assert max(job.end for job in list(scribe.jobs)[before:]) > len(speech) * 0.6


async def test_a_recording_that_stops_in_its_middle_has_its_captions(
    gateway: GatewayProcess, speech: NDArray[np.int16]
) -> None:
    """What came is heard."""
    whole = recorded(np.tile(speech, 2), 16_000, "webm")
    async with listening(gateway, "") as socket:
        await socket.send(whole[: len(whole) * 2 // 3])
        await socket.send('{"type":"CloseStream"}')
        messages = await told(socket)
    assert finals(messages)
    assert messages[-1]["type"] == "Metadata"


@pytest.mark.parametrize(
    ("query", "frame", "why"),
    [
        ("", b"\x1aE\xdf\xa3" + b"rubbish" * 100, "declared as webm, and it cannot be read"),
        ("", b"OggS" + bytes(9_000), "declared as ogg, and it cannot be read"),
        ("", b"RIFF\0\0\0\0AVI ", "WAV"),
        ("", bytes(6_400), "no WebM"),
    ],
)
async def test_audio_that_is_none_ends_the_stream(gateway: GatewayProcess, query: str, frame: bytes, why: str) -> None:
    """With DATA-0000 and close 1008, as Deepgram ends it."""
    async with listening(gateway, query) as socket:
        await socket.send(frame)
        await socket.send('{"type":"CloseStream"}')
        error = (await told(socket))[-1]
    assert (error["type"], error["variant"], socket.close_code) == ("Error", "DATA-0000", 1008)
    assert why in error["description"]


async def test_a_bomb_is_refused_and_costs_no_memory(gateway: GatewayProcess) -> None:
    """An hour of silence in 61 kB is not decoded to their end."""
    with PeakMemory(gateway) as memory:
        async with listening(gateway, "") as socket:
            await socket.send(bomb(1))
            error = (await told(socket))[-1]
    assert (error["variant"], socket.close_code) == ("DATA-0000", 1008)
    assert "more than Opus has" in error["description"]
    assert memory.growth_mb < 60


async def test_few_recordings_and_little_patience(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A second recording is turned away with 1013, until the first has ended: for silence, with NET-0001 and 1011."""
    limits = {"IDLE_TIMEOUT_SECONDS": "1", "MAX_RECORDINGS": "1"}
    with GatewayProcess(valkey, tmp_path_factory.mktemp("narrow"), **limits) as gateway:
        async with listening(gateway, "encoding=ogg-opus") as first, listening(gateway, "encoding=ogg-opus") as second:
            (full,) = await told(second)
            error = (await told(first))[-1]
        assert (full["variant"], second.close_code) == ("full", 1013)
        assert (error["variant"], first.close_code) == ("NET-0001", 1011)
        async with listening(gateway, "encoding=ogg-opus") as third:
            await third.send(b"")
            assert [message["type"] for message in await told(third)] == ["Metadata"]


async def test_the_native_protocol_takes_containers_too(gateway: GatewayProcess, speech: NDArray[np.int16]) -> None:
    """``format`` webm: offsets are in frames of the decoded audio, 48 kHz mono."""
    async with call(gateway) as caller:
        ready = await caller.start(format="webm", silence_threshold_seconds=5)
        assert (ready["format"], ready["sample_rate"], ready["channels"]) == ("webm", 48_000, 1)
        for piece in cut(recorded(speech, 16_000, "webm"), 3_000):
            await caller.socket.send(piece)
        await caller.say("stop")
        assert await caller.closed() == 1000
        assert [m["text"] for m in caller.of("final")] == [ANSWER]


async def test_a_native_session_in_a_container_can_be_resumed(
    gateway: GatewayProcess, speech: NDArray[np.int16]
) -> None:
    """On a new connection it begins a new recording, of the audio from the ready's offset on."""
    long = np.tile(speech, 2)
    async with call(gateway) as caller:
        ready = await caller.start(format="ogg")
        for piece in cut(recorded(long, 16_000, "ogg")[:12_000], 3_000):
            await caller.socket.send(piece)
        await caller.hears("speech_started")
        caller.vanish()
        await caller.closed()
    async with call(gateway, query="?resume=1") as caller:
        await caller.say("resume", session_id=ready["session_id"], token=ready["token"])
        again = await caller.hears("ready")
        rest = long[again["offset"] * 16_000 // 48_000 :]
        await caller.socket.send(recorded(rest, 16_000, "ogg"))
        await caller.say("stop")
        assert await caller.closed() == 1000
        assert caller.of("final")
