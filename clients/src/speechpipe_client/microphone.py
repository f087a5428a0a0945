"""The microphone, through PortAudio; imported only by who listens."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from speechpipe_client.audio import BLOCK_SECONDS
from speechpipe_client.errors import SpeechpipeError

_WAITING_BLOCKS: Final = 50
"""Blocks (5 s) that may wait for the network before the oldest are dropped."""


class MicrophoneError(SpeechpipeError):
    """There is no microphone to listen to."""


def load_portaudio() -> Any:  # noqa: ANN401 - the package has no types
    """The ``sounddevice`` module.

    Raises:
        MicrophoneError: it, or the PortAudio library below it, is not installed.
    """
    try:
        import sounddevice
    except ImportError as error:
        raise MicrophoneError(
            "the microphone needs sounddevice: pip install 'speechpipe-client[microphone]'"
        ) from error
    except OSError as error:
        raise MicrophoneError(
            "the PortAudio library is missing: `apt install libportaudio2` (Debian, Ubuntu), "
            "`dnf install portaudio` (Fedora) or `brew install portaudio` (macOS)"
        ) from error
    return sounddevice


def list_devices() -> str:
    """The machine's audio devices, one a line, as ``--device`` takes them."""
    return str(load_portaudio().query_devices())


class Microphone:
    """PCM16 mono blocks of 100 ms from an input device, at the device's own rate.

    Args:
        device: number or part of the name; None for the default.

    Raises:
        MicrophoneError: there is no such device.
    """

    def __init__(self, device: str | None) -> None:
        self._portaudio = load_portaudio()
        self._device: int | str | None = int(device) if device is not None and device.isdigit() else device
        try:
            info = self._portaudio.query_devices(self._device, "input")
        except (ValueError, self._portaudio.PortAudioError) as error:
            raise MicrophoneError(f"no microphone {device or ''}: {error}; see --list-devices") from error
        self.sample_rate = int(info["default_samplerate"])
        self.name = str(info["name"])
        self.dropped = 0
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue()

    def stop(self) -> None:
        """End ``blocks`` after what was recorded so far."""
        self._blocks.put_nowait(None)

    async def blocks(self) -> AsyncIterator[bytes]:
        """Record until ``stop``.

        Raises:
            MicrophoneError: the device cannot be opened.
        """
        loop = asyncio.get_running_loop()

        def heard(data: Any, frames: int, time: Any, status: Any) -> None:  # noqa: ANN401 - cffi objects
            loop.call_soon_threadsafe(self._take, bytes(data))

        try:
            stream = self._portaudio.RawInputStream(
                samplerate=self.sample_rate,
                blocksize=round(self.sample_rate * BLOCK_SECONDS),
                device=self._device,
                channels=1,
                dtype="int16",
                callback=heard,
            )
        except self._portaudio.PortAudioError as error:
            raise MicrophoneError(f"cannot record from {self.name}: {error}") from error
        with stream:
            while (block := await self._blocks.get()) is not None:
                yield block

    def _take(self, block: bytes) -> None:
        if self._blocks.qsize() >= _WAITING_BLOCKS:
            self._blocks.get_nowait()
            self.dropped += 1
        self._blocks.put_nowait(block)
