"""The microphone, through PortAudio; imported only by who listens."""

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any, ClassVar, Final

from speechpipe_client.audio import BLOCK_SECONDS
from speechpipe_client.microphone_errors import MicrophoneDenied as MicrophoneDenied
from speechpipe_client.microphone_errors import MicrophoneError as MicrophoneError
from speechpipe_client.microphone_errors import NoMicrophone as NoMicrophone
from speechpipe_client.microphone_errors import cannot_record, not_found, refusal
from speechpipe_client.options import RawFormat

_WAITING_BLOCKS: Final = 50
"""Blocks (5 s) that may wait for the network before the oldest are dropped."""

_DENIED_IS_SILENCE: Final = sys.platform == "darwin"
"""macOS gives zeros to a program that may not listen; elsewhere a microphone that is switched off may do so."""

_DENIED_BLOCKS: Final = 20
"""Blocks (2 s) of nothing but zeros at the beginning that no microphone gives, not even in a silent room."""


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
        device: number, or part of the name; None for the default. ``list_devices`` shows them.

    Attributes:
        sample_rate: the device's own, in Hz.
        name: of the device.
        dropped: blocks of 100 ms that were lost because nobody took them within 5 s.

    Raises:
        NoMicrophone: there is no such device, or none at all.
        MicrophoneDenied: there may be some, but this program may not listen to them.
        MicrophoneError: PortAudio is missing.
    """

    channels: ClassVar[int] = 1
    format: ClassVar[RawFormat] = "s16"
    live: ClassVar[bool] = True

    def __init__(self, device: str | int | None = None) -> None:
        self._portaudio = load_portaudio()
        self._device = int(device) if isinstance(device, str) and device.isdigit() else device
        try:
            info = self._portaudio.query_devices(self._device, "input")
        except (ValueError, self._portaudio.PortAudioError) as error:
            raise not_found(device, str(error)) from error
        self.sample_rate = int(info["default_samplerate"])
        self.name = str(info["name"])
        self.dropped = 0
        self._blocks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """End ``blocks`` after what was recorded so far; may be called from any thread."""
        if self._loop is None:
            self._blocks.put_nowait(None)
        else:
            self._loop.call_soon_threadsafe(self._blocks.put_nowait, None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        """What ``blocks`` gives."""
        return self.blocks()

    async def blocks(self) -> AsyncIterator[bytes]:
        """Record until ``stop``.

        Raises:
            MicrophoneDenied: the system does not let this program listen.
            MicrophoneError: the device cannot be opened.
        """
        loop = self._loop = asyncio.get_running_loop()

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
            raise cannot_record(self.name, str(error)) from error
        silent = 0 if _DENIED_IS_SILENCE else _DENIED_BLOCKS
        with stream:
            while (block := await self._blocks.get()) is not None:
                if silent < _DENIED_BLOCKS:
                    silent = _DENIED_BLOCKS if any(block) else silent + 1
                    if silent == _DENIED_BLOCKS and not any(block):
                        raise refusal(self.name, "it gives nothing but zeros")
                yield block

    def _take(self, block: bytes) -> None:
        if self._blocks.qsize() >= _WAITING_BLOCKS:
            self._blocks.get_nowait()
            self.dropped += 1
        self._blocks.put_nowait(block)
