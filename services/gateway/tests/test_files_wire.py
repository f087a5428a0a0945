"""Files over real sockets to a real gateway: who is let in, how much is held, and what happens when somebody goes."""

import asyncio
import io
import json
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil
import pytest
import pytest_asyncio
from numpy.typing import NDArray
from wire_world import ANSWER, PATIENCE, RATE, GatewayProcess, PeakMemory, Scribe, call, unbroken, working

from speechpipe_common.testing import eventually
from speechpipe_gateway.app.transcribing import MOST_PENDING

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST_BYTES = 60_000_000
ENDPOINT = "/v1/audio/transcriptions"


@pytest.fixture(scope="module")
def gateway(valkey: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway that takes one file at a time, and has no translation workers."""
    settings = {
        "MAX_FILES": "1",
        "MAX_FILE_BYTES": str(MOST_BYTES),
        "MAX_FILE_SECONDS": "1200",
        "OPENAI_TRANSLATIONS": "false",
    }
    with GatewayProcess(valkey, tmp_path_factory.mktemp("gateway"), **settings) as process:
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles jobs."""
    async with working(gateway) as scribe:
        yield scribe


@pytest_asyncio.fixture(loop_scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client with patience."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE * 4)) as session:
        yield session


@pytest.fixture(scope="module")
def talk(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """Three sentences with pauses between them."""
    pause = np.zeros(round(1.5 * RATE), np.int16)
    some = [clips[name] for name in sorted(clips) if name.startswith("en/")][:3]
    return np.concatenate([part for clip in some for part in (clip, pause)])


def wav(samples: NDArray[np.int16]) -> bytes:
    """A mono WAV file."""
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return made.getvalue()


def form(file: bytes, **fields: str) -> aiohttp.FormData:
    """A request's body."""
    made = aiohttp.FormData({"model": "whisper-1", **fields})
    made.add_field("file", file, filename="talk.wav")
    return made


@asynccontextmanager
async def sent(
    http: aiohttp.ClientSession, gateway: GatewayProcess, data: Any, path: str = ENDPOINT, **headers: str
) -> AsyncIterator[aiohttp.ClientResponse]:
    """A request with the gateway's key, and its answer."""
    shown = {"Authorization": f"Bearer {gateway.key}"} | headers
    async with http.post(f"http://127.0.0.1:{gateway.port}{path}", data=data, headers=shown) as answer:
        yield answer


async def refusal(answer: aiohttp.ClientResponse) -> tuple[int, str]:
    """Status and code of an error in OpenAI's shape."""
    error = (await answer.json())["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return answer.status, error["code"]


@asynccontextmanager
async def stuck(
    http: aiohttp.ClientSession, gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
) -> AsyncIterator["asyncio.Task[Any]"]:
    """A long file whose segments nobody decodes inside the block: its decoder and its client wait."""
    scribe.may_work.clear()
    before = gateway.metric("audio_chunks_processed_total")

    async def ask() -> tuple[int, Any]:
        async with sent(http, gateway, form(wav(speech))) as answer:
            return answer.status, await answer.json()

    asking = asyncio.create_task(ask())
    try:
        await eventually(lambda: gateway.metric("audio_chunks_processed_total") > before, "the file is being read")
        yield asking
    finally:
        scribe.may_work.set()
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)


def decoders(gateway: GatewayProcess) -> list[psutil.Process]:
    """The processes that the gateway has started."""
    return psutil.Process(gateway.process.pid).children()


async def test_a_file_is_heard_as_a_client_is(
    http: aiohttp.ClientSession, gateway: GatewayProcess, scribe: Scribe, talk: NDArray[np.int16]
) -> None:
    """The same audio, spoken over the native protocol and sent as a file: workers are given the same segments."""
    async with call(gateway) as caller:
        session = (await caller.start(partials=False))["session_id"]
        await caller.send_audio(talk)
        await caller.say("stop")
        assert await caller.closed() == 1000
    async with sent(http, gateway, form(wav(talk))) as answer:
        assert answer.status == 200
        said = await answer.json()
    of_native = {key[1:]: pcm for key, pcm in scribe.pcm.items() if key[0] == session}
    of_file = {key[1:]: pcm for key, pcm in scribe.pcm.items() if key[0] != session}
    assert len(of_native) >= 3
    assert of_file == of_native
    assert said["text"] == " ".join(m["text"] for m in caller.of("final"))


async def test_who_is_let_in(http: aiohttp.ClientSession, gateway: GatewayProcess, talk: NDArray[np.int16]) -> None:
    """Without a key, with a wrong one, and from a foreign page, every path says no in OpenAI's shape."""
    root = f"http://127.0.0.1:{gateway.port}"
    for method, path in (("POST", ENDPOINT), ("GET", "/v1/models"), ("GET", "/v1/models/whisper-1")):
        for headers, expected in (
            ({}, (401, "missing_api_key")),
            ({"Authorization": "Bearer nobody's"}, (401, "invalid_api_key")),
            ({"Origin": "https://elsewhere.example"}, (403, "origin_denied")),
        ):
            body = form(wav(talk)) if method == "POST" else None
            async with http.request(method, root + path, data=body, headers=headers) as answer:
                assert await refusal(answer) == expected


async def test_a_place_is_freed_when_a_client_goes(
    http: aiohttp.ClientSession,
    gateway: GatewayProcess,
    scribe: Scribe,
    clips: dict[str, NDArray[np.int16]],
    talk: NDArray[np.int16],
) -> None:
    """One file more than there may be is told so; when a client goes away, its decoder ends and its place is free."""
    async with stuck(http, gateway, scribe, unbroken(clips, 300)) as asking:
        assert decoders(gateway)
        async with sent(http, gateway, form(wav(talk))) as answer:
            assert await refusal(answer) == (503, "files_full")
            assert int(answer.headers["Retry-After"]) > 0
        asking.cancel()
        await eventually(lambda: not decoders(gateway), "the decoder has ended")
        scribe.may_work.set()
        async with sent(http, gateway, form(wav(talk), response_format="text")) as answer:
            assert answer.status == 200
            assert ANSWER in await answer.text()


async def test_a_file_does_not_fill_the_queue(
    http: aiohttp.ClientSession, gateway: GatewayProcess, scribe: Scribe, clips: dict[str, NDArray[np.int16]]
) -> None:
    """Of five minutes of talk, few segments are with the workers at a time: others' finals are not behind all of it."""
    seen: list[float] = []

    def waiting() -> int:
        return int(json.loads(gateway.get("/health")[1])["queue_depth"])

    def at_rest() -> bool:
        seen.append(gateway.metric("audio_received_seconds_total"))
        return len(seen) >= 20 and len(set(seen[-20:])) == 1

    async with stuck(http, gateway, scribe, unbroken(clips, 300)):
        await eventually(lambda: waiting() >= MOST_PENDING, "the first segments to wait for a worker")
        await eventually(at_rest, "no more of the file to be taken")
        assert waiting() < 2 * MOST_PENDING  # a segment may have a candidate besides its final


async def test_a_client_that_goes_while_it_sends(
    http: aiohttp.ClientSession, gateway: GatewayProcess, scribe: Scribe, talk: NDArray[np.int16]
) -> None:
    """A connection that breaks in the middle of a file leaves nothing behind."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST {ENDPOINT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: 1000000\r\n"
        'Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\nContent-Disposition: form-data; name="file"'
        "\r\n\r\nRIFF".encode()
    )
    await writer.drain()

    async def full() -> bool:
        async with sent(http, gateway, form(wav(talk))) as answer:
            return answer.status == 503

    await eventually(full, "the place is taken")
    writer.transport.abort()

    async def free() -> bool:
        return not await full()

    await eventually(free, "the place is free")


async def test_a_decoder_that_dies_is_told(
    http: aiohttp.ClientSession, gateway: GatewayProcess, scribe: Scribe, clips: dict[str, NDArray[np.int16]]
) -> None:
    """A decoder killed in the middle of a file: the client is told, and the gateway goes on."""
    async with stuck(http, gateway, scribe, unbroken(clips, 600)) as asking:
        for process in decoders(gateway):
            process.kill()
        scribe.may_work.set()
        status, body = await asyncio.wait_for(asking, PATIENCE)
    assert (status, body["error"]["code"]) == (500, "decoder_ended")
    assert gateway.get("/ready")[0] == 200


async def test_too_big_is_said_before_it_is_read(gateway: GatewayProcess) -> None:
    """A file that says how big it is gets its answer at once; one that does not, when it has passed the limit."""
    head = f"POST {ENDPOINT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    part = b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    kind = "Content-Type: multipart/form-data; boundary=b\r\n"
    for length, body in (
        ("Content-Length: 1000000000\r\n", part),
        ("Transfer-Encoding: chunked\r\n", _chunked([part, *[bytes(1_000_000)] * 62])),
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write((head + kind + length + "\r\n").encode() + body)
        async with asyncio.timeout(PATIENCE):
            raw = await reader.readuntil(b"\r\n\r\n")
            assert raw.startswith(b"HTTP/1.1 413 ")
            assert b"connection: close" in raw.lower()
            said = json.loads(await reader.readuntil(b"}}"))
        assert (said["error"]["code"], said["error"]["param"]) == ("file_too_large", "file")
        writer.close()


def _chunked(pieces: list[bytes]) -> bytes:
    """A body without an end."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


async def test_who_asks_before_sending_sends_nothing(gateway: GatewayProcess) -> None:
    """A client that waits for leave (100-continue) gets its refusal instead of leave, and the connection ends there."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(
        f"POST {ENDPOINT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\nExpect: 100-continue\r\n"
        "Content-Length: 1000000000\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
    )
    async with asyncio.timeout(PATIENCE):
        said = await reader.read()
    assert said.startswith(b"HTTP/1.1 413 ")
    assert said.endswith(b"}}")
    writer.close()


async def test_other_paths_are_not_there(http: aiohttp.ClientSession, gateway: GatewayProcess) -> None:
    """What else OpenAI serves is refused in its own shape, with what there is."""
    for path in ("/v1/chat/completions", "/v1/audio/speech"):
        async with sent(http, gateway, b"{}", path) as answer:
            assert await refusal(answer) == (404, "unknown_url")
            assert "/v1/audio/transcriptions" in await answer.text()


async def test_translation_that_is_not_there(
    http: aiohttp.ClientSession, gateway: GatewayProcess, talk: NDArray[np.int16]
) -> None:
    """A pipeline without translation workers says so at once."""
    async with sent(http, gateway, form(wav(talk)), "/v1/audio/translations") as answer:
        assert await refusal(answer) == (404, "translation_not_configured")


async def test_what_cannot_be_streamed_to_its_end(
    http: aiohttp.ClientSession, valkey: str, tmp_path: Path, talk: NDArray[np.int16]
) -> None:
    """A file that turns out to be too long after its first captions ends its stream with an error in OpenAI's shape."""
    long = np.concatenate([talk, np.zeros(20 * RATE, np.int16)])
    with GatewayProcess(valkey, tmp_path, MAX_FILE_SECONDS="20") as brief:
        async with working(brief), sent(http, brief, form(wav(long), stream="true")) as answer:
            assert (answer.status, answer.content_type) == (200, "text/event-stream")
            events = [json.loads(line[6:]) for line in (await answer.read()).splitlines() if line]
    assert {event["type"] for event in events[:-1]} == {"transcript.text.delta"}
    assert len(events) >= 2
    assert events[-1]["error"]["code"] == "file_too_long"


async def test_a_long_file_takes_no_memory(
    http: aiohttp.ClientSession, gateway: GatewayProcess, scribe: Scribe, talk: NDArray[np.int16]
) -> None:
    """Twenty minutes, 38 MB as a file and as samples: the gateway grows by less than either, and hears all of it."""
    quiet = np.zeros(60 * RATE, np.int16)
    long = np.concatenate([np.concatenate([talk, quiet])[: 60 * RATE] for _ in range(20)])
    with PeakMemory(gateway) as memory:
        async with sent(http, gateway, form(wav(long), response_format="verbose_json")) as answer:
            assert answer.status == 200
            said = await answer.json()
    assert said["duration"] == 1_200
    assert len(said["segments"]) >= 60
    assert memory.growth_mb < 25, memory.growth_mb


async def test_a_gateway_that_ends_lets_files_end(
    http: aiohttp.ClientSession,
    valkey: str,
    tmp_path_factory: pytest.TempPathFactory,
    clips: dict[str, NDArray[np.int16]],
) -> None:
    """On SIGTERM a file that is nearly done is answered; one that is not is told to be sent again, elsewhere."""
    for worker_returns, expected in ((True, 200), (False, 503)):
        with GatewayProcess(
            valkey, tmp_path_factory.mktemp("ending"), DRAIN_SECONDS="60" if worker_returns else "4"
        ) as one:
            async with working(one) as scribe, stuck(http, one, scribe, unbroken(clips, 20)) as asking:
                one.process.terminate()
                await eventually(lambda: one.get("/ready")[0] == 503, "the gateway is draining")
                if worker_returns:
                    scribe.may_work.set()
                status, body = await asyncio.wait_for(asking, PATIENCE * 2)
            assert status == expected, body
            assert expected == 200 or body["error"]["code"] == "draining"
            assert await asyncio.to_thread(one.process.wait, PATIENCE) == 0
