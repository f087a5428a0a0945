"""What the computer plays: the monitor of a PulseAudio or PipeWire output, or a WASAPI loopback."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final

from speechpipe_client.audio import BLOCK_SECONDS, to_int16
from speechpipe_client.errors import SpeechpipeError

SAMPLE_RATE: Final = 48_000
"""Hz; what nearly every output runs at, so that nothing is resampled twice."""

_TROUBLES: Final = (ImportError, OSError, AssertionError, RuntimeError, IndexError)
"""What soundcard raises, on import as well, where there is no sound server or a device is gone."""


class LoopbackError(SpeechpipeError):
    """What the computer plays cannot be recorded."""


def names() -> list[str]:
    """Names of the outputs whose sound can be recorded; none where that is not possible."""
    try:
        return [str(device.name) for device in _monitors()]
    except _TROUBLES:
        return []


def _monitors() -> list[Any]:
    import soundcard  # connects to the sound server

    return [device for device in soundcard.all_microphones(include_loopback=True) if device.isloopback]


def _default_output() -> str:
    import soundcard

    return str(soundcard.default_speaker().id)


class Loopback:
    """PCM16 mono blocks of 100 ms of what an output plays.

    Args:
        name: the output's, as ``names`` has it; empty for the default output.

    Raises:
        LoopbackError: there is none, or no such one.
    """

    def __init__(self, name: str) -> None:
        try:
            self._device = self._find(name)
        except _TROUBLES as error:
            raise LoopbackError(
                "what this computer plays cannot be recorded: that needs PulseAudio or PipeWire (Linux) or WASAPI "
                f"(Windows) ({type(error).__name__}: {error})"
            ) from error
        self.sample_rate = SAMPLE_RATE
        self.name = str(self._device.name)
        self._stopped = threading.Event()
        self._blocks: asyncio.Queue[bytes | LoopbackError | None] = asyncio.Queue()

    def stop(self) -> None:
        """End ``blocks`` after what was recorded so far."""
        self._stopped.set()

    async def blocks(self) -> AsyncIterator[bytes]:
        """Record until ``stop``.

        Raises:
            LoopbackError: the device cannot be opened, or went away.
        """
        loop = asyncio.get_running_loop()
        recording = loop.run_in_executor(None, self._record, loop)
        try:
            while (block := await self._blocks.get()) is not None:
                if isinstance(block, LoopbackError):
                    raise block
                yield block
        finally:
            self._stopped.set()
            await recording

    def _find(self, name: str) -> Any:  # noqa: ANN401 - the package has no types
        monitors = _monitors()
        default = "" if name else _default_output()
        for device in monitors:
            if device.name == name or (default and str(device.id).startswith(default)):
                return device
        if not name and monitors:
            return monitors[0]
        known = ", ".join(str(device.name) for device in monitors) or "none"
        raise LoopbackError(f"no output {name!r} whose sound can be recorded; there are: {known}")

    def _record(self, loop: asyncio.AbstractEventLoop) -> None:
        """In a thread of its own, for soundcard's recorder blocks."""

        def hand_over(block: bytes | LoopbackError | None) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._blocks.put_nowait, block)

        frames = round(SAMPLE_RATE * BLOCK_SECONDS)
        try:
            with self._device.recorder(samplerate=SAMPLE_RATE, channels=1) as recorder:
                while not self._stopped.is_set():
                    hand_over(to_int16(recorder.record(frames)).astype("<i2").tobytes())
        except _TROUBLES as error:
            hand_over(LoopbackError(f"cannot record what {self.name} plays: {error}"))
        hand_over(None)
