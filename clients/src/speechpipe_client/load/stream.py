"""One talker on one line: speaks when its turn comes, and writes down what it hears."""

import asyncio
from collections.abc import Iterator
from enum import StrEnum

from speechpipe_client.errors import GatewayFull, SpeechpipeError
from speechpipe_client.load.lines import Line
from speechpipe_client.load.record import Record
from speechpipe_client.load.talker import Framing, Talker
from speechpipe_client.load.wheel import Wheel


class State(StrEnum):
    """How far a stream is."""

    WAITING = "waiting"
    SPEAKING = "speaking"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class Stream:
    """A stream of a load.

    Args:
        number: which one.
        language: what it tells the peer.
        talker: what it says.
        line: where to.
        cuts: seconds of its audio at which its connection is cut.
        framing: how its audio is cut.
    """

    def __init__(
        self, number: int, language: str, talker: Talker, line: Line, cuts: Iterator[float], framing: Framing
    ) -> None:
        self.number = number
        self.language = language
        self.talker = talker
        self.line = line
        self.record = Record()
        self.state = State.WAITING
        self.entered = asyncio.Event()
        """Set once it speaks, or never will."""
        self._cuts = cuts
        self._next_cut = next(cuts, None)
        self._framing = framing
        self._said_all = asyncio.Event()

    async def run(self, wheel: Wheel, phase: int) -> None:
        """Open, speak, listen until all is answered; what goes wrong is written down, not raised."""
        try:
            await self.line.open(self.language, self.talker)
            self.state = State.SPEAKING
            self.entered.set()
            wheel.join(self, phase)
            await self._converse()
            self.state = State.DONE
        except GatewayFull as error:
            self._fail(State.REFUSED if self.state is State.WAITING else State.FAILED, error)
        except SpeechpipeError as error:
            self._fail(State.FAILED, error)
        finally:
            self.entered.set()
            wheel.leave(self)
            await self.line.close()

    def tick(self, due: float) -> None:
        """Say the next frame, whose last sample was spoken at ``due``."""
        if self._said_all.is_set():
            return
        if self.record.began is None:
            self.record.began = due - self._framing.seconds
        self._cut_when_due()
        try:
            self.line.send(self.talker.take())
        except SpeechpipeError:  # the session is over; whoever listens to it hears why
            self._said_all.set()
        if self.talker.silent and self.record.answered(self.talker.said):
            self._said_all.set()

    def _cut_when_due(self) -> None:
        if self._next_cut is None or self.talker.winding_up or self.talker.position < self._next_cut:
            return
        self._next_cut = next(self._cuts, None)
        self.record.cut += 1
        self.line.cut()

    async def _converse(self) -> None:
        listening = asyncio.create_task(self._listen())
        ending = asyncio.create_task(self._said_all.wait())
        try:
            await asyncio.wait((listening, ending), return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                listening.result()
                raise SpeechpipeError("the peer ended the session while the stream was speaking")
            await self.line.stop()
            await listening
        finally:
            listening.cancel()
            ending.cancel()
            await asyncio.gather(listening, ending, return_exceptions=True)

    async def _listen(self) -> None:
        clock = asyncio.get_running_loop().time
        async for event in self.line.events():
            self.record.hear(clock(), event)

    def _fail(self, state: State, error: SpeechpipeError) -> None:
        self.state = state
        self.record.problems.append(f"{type(error).__name__}: {error}")
