"""The desktop app with real speech: a pipeline of Valkey, gateway and Whisper, a file in the place of a microphone."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from desktop_world import a_field, a_screen, an_app

from speechpipe_client.demo.pipeline import demo_plan, quiet_pipeline
from speechpipe_client.demo.scoring import error_rate
from speechpipe_client.desktop import sentences
from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_common.testing import eventually

CLIPS = ("quick_brown_fox", "counting", "quick_brown_fox")
BEFORE_SECONDS = 5.0
"""Silence at the beginning, in which the field gets the keyboard."""
PAUSE_SECONDS = 1.2
_FINAL = '{"type":"final"'


@dataclass
class Tap:
    """Carries TCP to a gateway and keeps what it says."""

    port: int
    url: str = ""
    heard: bytearray = field(default_factory=bytearray)

    @property
    def finals(self) -> list[str]:
        """Texts of the finals so far, each segment once, in the order of speech."""
        said = self.heard.decode(errors="replace")
        found: dict[str, dict] = {}
        at = said.find(_FINAL)
        while at >= 0:
            with suppress(ValueError):  # the rest of it is still on its way
                final, _ = json.JSONDecoder().raw_decode(said, at)
                found.setdefault(final["segment_id"], final)
            at = said.find(_FINAL, at + 1)
        return [final["text"] for final in sorted(found.values(), key=lambda final: final["start"]) if final["text"]]

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection; refused while there is no gateway."""
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            writer.transport.abort()
            return
        await asyncio.gather(_pump(reader, back), _pump(there, writer, self.heard))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None = None) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            if kept is not None:
                kept += data
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def tapped(url: str) -> AsyncIterator[Tap]:
    """A tap before the gateway at ``url``."""
    tap = Tap(int(url.rsplit(":", 1)[1].split("/")[0]))
    async with await asyncio.start_server(tap.carry, "127.0.0.1", 0) as server:
        tap.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield tap


def talk(folder: Path) -> tuple[Path, str]:
    """Three sentences with pauses between them, and what they say."""
    clips = fetch(ASSETS["audioeval"]) / "en"
    read = [soundfile.read(clips / f"{name}.wav", dtype="float32") for name in CLIPS]
    rate = read[0][1]
    parts = [np.zeros(round(BEFORE_SECONDS * rate), np.float32)]
    for samples, _ in read:
        parts += [samples, np.zeros(round(PAUSE_SECONDS * rate), np.float32)]
    soundfile.write(folder / "talk.wav", np.concatenate(parts), rate, subtype="PCM_16")
    return folder / "talk.wav", " ".join((clips / f"{name}.txt").read_text().strip() for name in CLIPS)


async def test_real_speech_is_typed_as_its_finals_say_though_the_gateway_is_killed(tmp_path: Path):
    """A real gateway dies in the middle and starts again: the field holds exactly the finals, and all that was said."""
    path, said = talk(tmp_path)
    with a_screen() as screen:
        async with (
            quiet_pipeline(demo_plan(translation=False), tmp_path / "pipeline.log") as pipeline,
            tapped(pipeline.gateway_url) as tap,
            a_field(screen, tmp_path) as field,
            an_app(screen, tmp_path, "--url", tap.url, "--input", path, "--source", "en", "--start") as app,
        ):
            await app.says("listening")
            await field.focus()
            await eventually(lambda: tap.finals, "the first final")
            for pid in pipeline.pids("gateway"):
                os.kill(pid, signal.SIGKILL)
            await app.says(sentences.BACK)
            await app.says("idle")
            await field.holds(" ".join(tap.finals))
            assert app.count(sentences.LOST) == app.count(sentences.BACK) == 1
    assert error_rate(said, " ".join(tap.finals), "en") <= 0.1
