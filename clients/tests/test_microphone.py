"""The microphone with a stand-in for PortAudio, which no test machine can be trusted to have a device for."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from speechpipe_client import microphone
from speechpipe_client.microphone import Microphone, MicrophoneError


class PortAudio:
    """Calls back from a thread of its own, as PortAudio does."""

    PortAudioError = RuntimeError

    def __init__(self, blocks: list[bytes]) -> None:
        self.blocks = blocks
        self.played = threading.Event()
        self.opened: dict[str, Any] = {}

    def query_devices(self, device: int | str | None, kind: str) -> dict[str, object]:
        """One device, number 3."""
        if device not in (None, 3):
            raise ValueError(f"No input device matching {device!r}")
        return {"default_samplerate": 44_100.0, "name": "test microphone"}

    def RawInputStream(self, **options: object) -> "PortAudio":
        """Remember how the stream was opened."""
        self.opened = options
        return self

    def __enter__(self) -> None:
        threading.Thread(target=self._play).start()

    def __exit__(self, *_: object) -> None:
        self.played.wait()

    def _play(self) -> None:
        for block in self.blocks:
            self.opened["callback"](block, len(block) // 2, None, SimpleNamespace())
        self.played.set()


async def test_blocks_come_in_order_at_the_devices_own_rate_until_stopped(monkeypatch: pytest.MonkeyPatch):
    """What the audio thread records is given out on the event loop; ``stop`` ends it after what was recorded."""
    portaudio = PortAudio([b"aa", b"bb", b"cc"])
    monkeypatch.setattr(microphone, "load_portaudio", lambda: portaudio)
    device = Microphone("3")
    heard = []
    async for block in device.blocks():
        heard.append(block)
        if len(heard) == 3:
            device.stop()
    assert heard == [b"aa", b"bb", b"cc"]
    assert (device.sample_rate, device.dropped) == (44_100, 0)
    assert (portaudio.opened["samplerate"], portaudio.opened["blocksize"]) == (44_100, 4_410)


async def test_a_network_that_is_too_slow_drops_the_oldest_and_counts(monkeypatch: pytest.MonkeyPatch):
    """When nobody takes blocks, the last five seconds are kept and the rest is counted as dropped."""
    portaudio = PortAudio([index.to_bytes(2, "little") for index in range(60)])
    monkeypatch.setattr(microphone, "load_portaudio", lambda: portaudio)
    device = Microphone(None)
    blocks = device.blocks()
    heard = [await anext(blocks)]
    await asyncio.to_thread(portaudio.played.wait)
    device.stop()
    heard += [block async for block in blocks]
    numbers = [int.from_bytes(block, "little") for block in heard]
    assert numbers == sorted(numbers)
    assert numbers[-50:] == list(range(10, 60))
    assert len(numbers) + device.dropped == 60


def test_an_unknown_device_is_named(monkeypatch: pytest.MonkeyPatch):
    """A device that is not there is an error that says how to see the others."""
    monkeypatch.setattr(microphone, "load_portaudio", lambda: PortAudio([]))
    with pytest.raises(MicrophoneError, match=r"no microphone nothing: .*--list-devices"):
        Microphone("nothing")
