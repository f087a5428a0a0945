"""Where sound comes from: a microphone, what the computer plays, or a file."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from speechpipe_client.audio import AudioFile, Pace, paced
from speechpipe_client.desktop import loopback
from speechpipe_client.microphone import Microphone, MicrophoneError, load_portaudio

Kind = Literal["microphone", "system", "file"]


class Source(Protocol):
    """PCM16 mono blocks, as they are recorded."""

    sample_rate: int
    name: str

    def blocks(self) -> AsyncIterator[bytes]:
        """Record until ``stop``, or until there is no more."""

    def stop(self) -> None:
        """End ``blocks`` after what was recorded so far."""


@dataclass(frozen=True, slots=True)
class Input:
    """A choice of where sound comes from; an empty name is the default device."""

    kind: Kind
    name: str = ""

    @property
    def text(self) -> str:
        """As ``parse`` reads it."""
        return self.name if self.kind == "file" else f"{self.kind}:{self.name}".rstrip(":")


def parse(text: str) -> Input:
    """``microphone``, ``microphone:NAME``, ``system``, ``system:NAME``, or the path of an audio file."""
    kind, _, name = text.partition(":")
    if kind == "microphone":
        return Input("microphone", name)
    if kind == "system":
        return Input("system", name)
    return Input("file", text)


def open_source(chosen: Input) -> Source:
    """The source of an input; may take a moment, since sound systems start slowly.

    Raises:
        SpeechpipeError: it is not there or cannot be used.
    """
    match chosen.kind:
        case "microphone":
            return Microphone(chosen.name or None)
        case "system":
            return loopback.Loopback(chosen.name)
        case "file":
            return FileSource(Path(chosen.name))


def microphones() -> list[str]:
    """Names of the devices that record; none where there is no sound system.

    PortAudio lists a device once for each of the system's interfaces to it; one name is shown once.
    """
    try:
        portaudio = load_portaudio()
        devices = portaudio.query_devices()
    except (MicrophoneError, OSError, RuntimeError):  # PortAudioError is a RuntimeError of no public kind
        return []
    return list(dict.fromkeys(str(device["name"]) for device in devices if device["max_input_channels"] > 0))


def all_inputs() -> list[Input]:
    """What can be chosen on this machine: microphones first, then what it plays."""
    system = loopback.names()
    return [
        Input("microphone"),
        *(Input("microphone", name) for name in microphones()),
        *([Input("system")] if system else []),
        *(Input("system", name) for name in system),
    ]


class FileSource:
    """An audio file that is played as if it were a microphone.

    Raises:
        AudioError: it cannot be read as audio.
    """

    def __init__(self, path: Path) -> None:
        self._file = AudioFile.open(path)
        self._stopped = False
        self.sample_rate = self._file.sample_rate
        self.name = path.name

    async def blocks(self) -> AsyncIterator[bytes]:
        """At the pace of a recording, to its end."""
        per_second = self.sample_rate * self._file.channels * 2
        async for block in paced(self._file.blocks(), Pace.REALTIME, per_second):
            if self._stopped:
                return
            yield self._mono(block)

    def stop(self) -> None:
        """No more blocks."""
        self._stopped = True

    def _mono(self, block: bytes) -> bytes:
        if self._file.channels == 1:
            return block
        frames = np.frombuffer(block, "<i2").reshape(-1, self._file.channels)
        mono: bytes = np.rint(frames.mean(axis=1)).astype("<i2").tobytes()
        return mono
