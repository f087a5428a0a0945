"""The command and the library against a real pipeline: Valkey, gateway, Whisper base."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
import soundfile
from test_cli import end, start

from speechpipe_client import FinalCaption, Ready, SessionOptions, connect
from speechpipe_client.audio import AudioFile, Pace, paced
from speechpipe_client.demo.pipeline import demo_plan
from speechpipe_client.demo.scoring import error_rate
from speechpipe_client.inbox import Event
from speechpipe_client.streaming import converse
from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_operator.local import LocalOptions, LocalPipeline

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIPS = ("quick_brown_fox", "counting", "quick_brown_fox")
PAUSE_SECONDS = 1.2


class Silent:
    """Keeps a pipeline's log for a failure's report."""

    def line(self, source: str, text: str) -> None:
        """Pytest shows what a failed test printed."""
        print(f"{source} | {text}")  # noqa: T201


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Address of a pipeline of our own."""
    options = LocalOptions(data_dir=tmp_path_factory.mktemp("pipeline"), any_port=True)
    async with LocalPipeline(demo_plan(translation=False), options, Silent()) as pipeline:
        yield pipeline.gateway_url


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Three sentences with pauses between them, and what they say."""
    folder = fetch(ASSETS["audioeval"]) / "en"
    parts, said = [], []
    for name in CLIPS:
        samples, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
        parts += [samples, np.zeros(round(PAUSE_SECONDS * rate), np.float32)]
        said.append((folder / f"{name}.txt").read_text().strip())
    path = tmp_path_factory.mktemp("speech") / "talk.wav"
    soundfile.write(path, np.concatenate(parts), rate, subtype="PCM_16")
    return path, " ".join(said)


@dataclass
class Proxy:
    """Forwards TCP to a gateway, and can cut every connection it carries."""

    url: str = ""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    def cut(self) -> None:
        """Break all connections as a lost network does."""
        for writer in self.writers:
            writer.transport.abort()
        self.writers.clear()


@asynccontextmanager
async def proxy(target: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the gateway at ``target``."""
    port = int(target.rsplit(":", 1)[1].split("/")[0])
    made = Proxy()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        made.writers += [writer, inner_writer]
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        made.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield made


async def test_a_file_sent_at_once_is_transcribed_to_json(url: str, speech: tuple[Path, str]):
    """``transcribe --pace fast`` of real speech: the words are right, their times lie in the file and in order."""
    path, said = speech
    ended = await end(await start("transcribe", path, "--url", url, "--source", "en", "--format", "json"), 120)
    assert (ended.code, ended.err) == (0, "")
    document = json.loads(ended.out)
    assert error_rate(said, document["text"], "en") <= 0.1
    starts = [word["start"] for segment in document["segments"] for word in segment["words"]]
    assert starts == sorted(starts)
    assert starts[0] >= 0
    assert starts[-1] < AudioFile.open(path).seconds


async def test_lost_connections_lose_and_repeat_nothing(url: str, speech: tuple[Path, str]):
    """The network breaks in each sentence of a live session: it is resumed, and each final comes once and whole."""
    path, said = speech
    file = AudioFile.open(path)
    events: list[Event] = []
    per_second = file.sample_rate * 2

    async with proxy(url) as network:

        async def spoken() -> AsyncIterator[bytes]:
            number = 0
            async for block in paced(file.blocks(), Pace.REALTIME, per_second):
                number += 1
                if number in (20, 60, 100):
                    network.cut()
                yield block

        async with asyncio.timeout(120), connect(network.url, SessionOptions(source="en")) as session:
            await converse(session, spoken(), events.append)
    finals = [event for event in events if isinstance(event, FinalCaption)]
    assert [event.resumed for event in events if isinstance(event, Ready)] == [False, True, True, True]
    assert len({final.segment_id for final in finals}) == len(finals)
    heard = " ".join(final.text for final in sorted(finals, key=lambda final: final.start))
    assert error_rate(said, heard, "en") <= 0.1, heard


async def test_verify_hears_what_was_said(url: str):
    """``verify`` plays a clip of its own to a running gateway and ends well when its words come back."""
    ended = await end(await start("verify", "--url", url, "--clip", "en/quick_brown_fox", "--timeout", "120"), 180)
    assert ended.code == 0, ended.out + ended.err
    assert "quick brown fox" in ended.out
