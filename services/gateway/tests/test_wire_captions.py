"""Captions over HTTP, from real gateways on one Valkey: who reads what, from which of them, and until when."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import pytest_asyncio
import redis.asyncio
from numpy.typing import NDArray
from wire_world import ANSWER, PATIENCE, Caller, GatewayProcess, Scribe, call, working

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.messages import Transcript, encode
from speechpipe_common.testing import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOST = 6
"""Readers that the first gateway takes."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For keys and logs."""
    return tmp_path_factory.mktemp("captions")


@pytest.fixture(scope="module")
def gateway(valkey: str, folder: Path) -> Iterator[GatewayProcess]:
    """The gateway that clients speak to."""
    with GatewayProcess(valkey, folder / "first", KEY_PREFIX="captions:", MAX_CAPTION_READERS=str(MOST)) as process:
        yield process


@pytest.fixture(scope="module")
def other(valkey: str, folder: Path, gateway: GatewayProcess) -> Iterator[GatewayProcess]:
    """Another one of the same pipeline."""
    keys = {"API_KEYS_FILE": str(gateway.keys_path)}
    with GatewayProcess(valkey, folder / "second", KEY_PREFIX="captions:", **keys) as process:
        process.key = gateway.key
        yield process


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scribe(gateway: GatewayProcess) -> AsyncIterator[Scribe]:
    """Something that settles jobs."""
    async with working(gateway) as scribe:
        yield scribe


@pytest.fixture
def speech(clips: dict[str, NDArray[np.int16]]) -> NDArray[np.int16]:
    """Somebody speaking, and a pause."""
    return np.concatenate([clips["en/quick_brown_fox"], np.zeros(2 * SAMPLE_RATE, np.int16)])


def address(gateway: GatewayProcess, ready: dict, form: str = "vtt", **query: str) -> str:
    """Where a session's captions are."""
    asked = "&".join(f"{name}={value}" for name, value in {"token": ready["captions_token"], **query}.items())
    return f"http://127.0.0.1:{gateway.port}/captions/{ready['session_id']}.{form}?{asked}"


class Reader:
    """Somebody who reads a file as it grows."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self.text = ""
        self.task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for piece in self.response.content.iter_any():
            self.text += piece.decode()

    async def has(self, text: str, count: int = 1) -> None:
        """Wait until a text is there so many times."""
        await eventually(lambda: self.text.count(text) >= count, f"{text!r} {count} times", PATIENCE)

    async def ended(self) -> str:
        """Wait for the end of the file; all of it."""
        async with asyncio.timeout(PATIENCE):
            await self.task
        return self.text


@asynccontextmanager
async def reading(url: str, **headers: str) -> AsyncIterator[Reader]:
    """Open captions."""
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, headers=headers) as response:
        reader = Reader(response)
        yield reader
        reader.task.cancel()
        await asyncio.gather(reader.task, return_exceptions=True)


async def say(caller: Caller, speech: NDArray[np.int16], count: int) -> None:
    """Speak, and wait until that is the client's ``count``-th final."""
    await caller.send_audio(speech)
    await caller.hears("final", count)


async def test_cues_come_as_finals_do_to_early_and_late_readers_on_any_gateway(
    gateway: GatewayProcess, other: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
):
    """One reads from the beginning, one comes late, one asks another gateway: all have all, and end as it does."""
    async with call(gateway) as caller:
        ready = await caller.start()
        async with reading(address(gateway, ready)) as early:
            assert early.response.headers["Content-Type"] == "text/vtt; charset=utf-8"
            await early.has("WEBVTT\n\n")
            await say(caller, speech, 1)
            await early.has(ANSWER)
            async with (
                reading(address(gateway, ready)) as late,
                reading(address(other, ready)) as elsewhere,
                reading(address(other, ready, "srt")) as srt,
            ):
                await late.has(ANSWER)
                await elsewhere.has(ANSWER)
                await say(caller, speech, 2)
                for reader in (early, late, elsewhere, srt):
                    await reader.has(ANSWER, 2)
                assert not early.task.done()
                await caller.say("stop")
                assert await caller.closed() == 1000
                texts = [(await reader.ended()).replace("NOTE\n\n", "") for reader in (early, late, elsewhere)]
                numbered = await srt.ended()
    assert len(set(texts)) == 1
    assert texts[0].startswith("WEBVTT\n\n00:00:0")
    assert texts[0].count(" --> ") == 2
    assert numbered.startswith("1\n00:00:0")
    assert "\n\n2\n00:00:0" in numbered
    # The session is over; what it said is kept for an hour, and so are its captions.
    async with reading(address(other, ready)) as afterwards:
        assert await afterwards.ended() == texts[0]


async def test_a_resumed_session_has_the_same_link(
    gateway: GatewayProcess, other: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16]
):
    """The link goes on when the client goes on over another gateway, and shows what was said there."""
    async with call(gateway) as caller:
        ready = await caller.start()
        await say(caller, speech, 1)
        cursor = caller.of("final")[0]["cursor"]
    async with reading(address(gateway, ready)) as reader:
        await reader.has(ANSWER)
        async with call(other) as again:
            known = {"session_id": ready["session_id"], "token": ready["token"], "cursor": cursor}
            await again.say("resume", **known, offset=len(speech))
            back = await again.hears("ready")
            assert back["captions_token"] == ready["captions_token"]
            await say(again, speech, 1)
            await again.say("stop")
            assert await again.closed() == 1000
        assert (await reader.ended()).count(ANSWER) == 2


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"token": "wrong"}, 404, "captions_unknown"),
        ({"token": "9.wrong"}, 404, "captions_unknown"),
        ({"token": "%FF"}, 404, "captions_unknown"),
        ({"token": ""}, 401, "captions_token_missing"),
        ({"language": "Klingon"}, 400, "unknown_language"),
    ],
)
async def test_who_has_not_the_token_reads_nothing(gateway: GatewayProcess, change: dict, status: int, code: str):
    """A wrong token, and none, get a status and a JSON body that says why; so does an unknown language."""
    async with call(gateway) as caller:
        ready = await caller.start()
        async with reading(address(gateway, ready, **change)) as reader:
            body = json.loads(await reader.ended())
    assert (reader.response.status, body["code"]) == (status, code)
    assert body["message"]


async def test_tokens_open_only_what_they_are_for(gateway: GatewayProcess):
    """The token of one session opens no other's captions, a resume token none, and a captions token resumes nothing."""
    async with call(gateway) as caller, call(gateway) as stranger:
        mine, theirs = await caller.start(), await stranger.start()
        for wrong in (theirs["captions_token"], mine["token"]):
            async with reading(address(gateway, {**mine, "captions_token": wrong})) as reader:
                assert reader.response.status == 404
        async with reading(address(gateway, mine).partition("?")[0], Authorization=f"Bearer {gateway.key}") as reader:
            assert reader.response.status == 404, "an API key is no captions token either"
        async with call(gateway) as thief:
            await thief.say("resume", session_id=mine["session_id"], token=mine["captions_token"])
            assert await thief.closed() == 1008
        bearer = {"Authorization": f"Bearer {mine['captions_token']}"}
        async with reading(address(gateway, mine).partition("?")[0], **bearer) as reader:
            assert reader.response.status == 200
        # Whether there are captions can be asked without reading them, which would go on and on.
        async with aiohttp.ClientSession() as session, session.head(address(gateway, mine)) as response:
            assert (response.status, response.headers["Content-Type"]) == (200, "text/vtt; charset=utf-8")
            assert response.headers["Access-Control-Allow-Origin"] == "*"


async def test_readers_are_limited_and_a_place_is_given_back(gateway: GatewayProcess):
    """One more than may is told when to come again; when somebody leaves, there is a place."""
    async with call(gateway) as caller:
        ready = await caller.start()
        held = [reading(address(gateway, ready)) for _ in range(MOST)]
        readers = [await one.__aenter__() for one in held]
        try:
            assert [reader.response.status for reader in readers] == [200] * MOST
            async with reading(address(gateway, ready)) as refused:
                assert refused.response.status == 503
                assert refused.response.headers["Retry-After"].isdigit()
                assert json.loads(await refused.ended())["code"] == "captions_full"
        finally:
            for one in held:
                await one.__aexit__(None, None, None)

        async def admitted() -> bool:
            async with reading(address(gateway, ready)) as reader:
                return reader.response.status == 200

        await eventually(admitted, "a place", PATIENCE)


async def test_a_gateway_that_goes_away_ends_its_files(
    gateway: GatewayProcess, scribe: Scribe, speech: NDArray[np.int16], valkey: str, folder: Path
):
    """A gateway that is told to stop ends each file properly, so that its readers can go to another one."""
    keys = {"API_KEYS_FILE": str(gateway.keys_path)}
    with GatewayProcess(valkey, folder / "leaving", KEY_PREFIX="captions:", **keys) as leaving:
        async with call(gateway) as caller:
            ready = await caller.start()
            await say(caller, speech, 1)
            async with reading(address(leaving, ready)) as reader:
                await reader.has(ANSWER)
                leaving.process.terminate()
                assert (await reader.ended()).count(ANSWER) == 1
            assert await asyncio.to_thread(leaving.process.wait, PATIENCE) == 0


async def test_a_reader_that_does_not_read_holds_up_nobody_and_little_memory(
    gateway: GatewayProcess, scribe: Scribe, valkey: str
):
    """Ten megabytes of captions: who reads nothing of them costs a piece, and another reads them all meanwhile."""
    async with call(gateway) as caller:
        ready = await caller.start()
        client = redis.asyncio.Redis.from_url(valkey)
        line = "incomprehensibilities " * 200
        for number in range(2_400):
            body = Transcript(
                segment=number,
                rev=1,
                kind="final",
                start=number * SAMPLE_RATE,
                end=(number + 1) * SAMPLE_RATE,
                text=line,
                language="en",
                language_probability=1.0,
                processing_time=0.0,
            )
            await client.xadd(gateway.keys.results(ready["session_id"]), {"body": encode(body), "jobs": b"{}"})
        await client.aclose()
        before = gateway.rss
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(("127.0.0.1", gateway.port))
            path = address(gateway, ready).partition(str(gateway.port))[2]
            stuck.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            async with reading(address(gateway, ready)) as reader:
                await reader.has("00:39:59.")
            assert gateway.rss - before < 120e6
        await caller.say("keepalive")
        await caller.say("stop")
        assert await caller.closed() == 1000
