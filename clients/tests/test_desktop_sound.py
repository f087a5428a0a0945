"""What the computer plays, through a real sound server: PulseAudio with an output that nobody hears."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from desktop_world import a_screen, an_app, running
from peer import Caller, gateway

from speechpipe_common import wire
from speechpipe_common.testing import eventually

TONE_HZ = 440
RATE = 48_000


@pytest.fixture
def sound_server(tmp_path: Path) -> Iterator[Path]:
    """Its runtime folder; a tone is played on its only output."""
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    modules = (
        "module-native-protocol-unix auth-anonymous=1",
        "module-null-sink sink_name=speakers",
        f"module-sine sink=speakers frequency={TONE_HZ}",
    )
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "-F", "/dev/null"]
    command += [part for module in modules for part in ("-L", module)]
    with subprocess.Popen(
        command, env=running(HOME=str(tmp_path), XDG_RUNTIME_DIR=str(folder)), stderr=subprocess.DEVNULL
    ) as server:
        yield folder
        server.terminate()


def loudest(pcm: bytes) -> float:
    """The frequency in Hz that is strongest."""
    samples = np.frombuffer(pcm, "<i2").astype(float)
    return float(np.fft.rfftfreq(len(samples), 1 / RATE)[np.argmax(np.abs(np.fft.rfft(samples)))])


async def test_what_the_computer_plays_reaches_the_server(sound_server: Path, tmp_path: Path):
    """The output is among the inputs, and the tone that it plays is what the server hears, at 48 kHz."""
    await eventually((sound_server / "pulse" / "native").exists, "the sound server")
    heard = asyncio.Event()

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.hear_audio(RATE * 2)
        heard.set()
        await caller.finish()

    with a_screen() as screen:
        screen.sound = sound_server
        async with (
            gateway(script) as peer,
            an_app(screen, tmp_path, "--url", peer.url, "--input", "system", "--no-type", "--start") as app,
        ):
            await eventually(heard.is_set, "a second of sound")
            assert await app.quit() == 130
        async with an_app(screen, tmp_path, "--list-inputs") as listing:
            await eventually(lambda: "system:Monitor of Null Output" in listing.shown, "the output among the inputs")
    started = next(message for message in peer.callers[0].messages if isinstance(message, wire.Start))
    assert (started.sample_rate, started.channels) == (RATE, 1)
    assert abs(loudest(bytes(peer.callers[0].audio[: RATE * 2])) - TONE_HZ) <= 2
