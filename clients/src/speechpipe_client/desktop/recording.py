"""A source of sound on its way to a tape, from the moment on when somebody wants to speak."""

import asyncio
from collections.abc import Callable
from typing import Final

from speechpipe_client.desktop.inputs import Source
from speechpipe_client.desktop.tape import Tape
from speechpipe_client.errors import SpeechpipeError

_SILENCE_SECONDS: Final = 3.0
"""Not one sample other than zero for so long: no room is that quiet."""


class Recording:
    """Runs a source to its end; nothing waits for the network here.

    Args:
        source: already opened.
        on_silence: called once when it gives nothing but zeros from its beginning on.
    """

    def __init__(self, source: Source, on_silence: Callable[[], None]) -> None:
        self.source = source
        self.tape = Tape()
        self.trouble: SpeechpipeError | None = None
        """What ended it before its time."""
        self._on_silence = on_silence
        self._ended = False
        self._pulse = asyncio.Event()

    async def run(self) -> None:
        """Record until ``stop``, or to the source's end."""
        listening_for_sound = True
        try:
            async for block in self.source.blocks():
                self.tape.append(block)
                self._notify()
                if listening_for_sound:
                    listening_for_sound = not self._judge_silence(block)
        except SpeechpipeError as error:
            self.trouble = error
        finally:
            self._ended = True
            self._notify()

    def stop(self) -> None:
        """No more sound."""
        self.source.stop()

    async def read(self, position: int, frames: int) -> bytes:
        """At most that many frames from ``position`` on, as soon as there are any; empty after the end."""
        while True:
            pulse = self._pulse
            block = self.tape.read(position, frames)
            if block or self._ended:
                return block
            await pulse.wait()

    def _judge_silence(self, block: bytes) -> bool:
        """Whether it is known by now that there is sound, or none."""
        if any(block):
            return True
        if self.tape.end < _SILENCE_SECONDS * self.source.sample_rate:
            return False
        self._on_silence()
        return True

    def _notify(self) -> None:
        self._pulse.set()
        self._pulse = asyncio.Event()
