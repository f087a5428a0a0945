"""Clients of the gateway: the real library, with an ear on its wire."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

import numpy as np
from speech import Clip, Samples

from speechpipe_client import Event, Limits, Session, SessionOptions, SpeechpipeError, connect
from speechpipe_client.connection import Connection, ConnectionLost, Traffic
from speechpipe_client.options import Endpoint
from speechpipe_common.wire import Error, FinalCaption, Ready, ServerMessage

BLOCK_SECONDS = 0.1
GAP_SECONDS = 1.0
"""Silence between clips, where the gateways' silence threshold is half of it: each clip is an utterance."""

QUICK = Limits(ping_seconds=1.0, handshake_seconds=10.0, patience_seconds=180.0)
"""Quick to notice a frozen gateway, and patient while all of them are away."""

PATIENT = Limits(patience_seconds=180.0)
"""As the library has it: a gateway that waits for its Redis is no dead gateway."""

STAYING = Limits(ping_seconds=60.0, patience_seconds=180.0)
"""For loads that the workers cannot keep up with: a gateway that makes its clients wait answers no ping."""


@dataclass(frozen=True)
class Said:
    """A clip as it was sent: ``[start, end)`` in seconds from the start of the session."""

    text: str
    start: float
    end: float


@dataclass
class Wire:
    """What came over the connections of one session, before the library looked at it."""

    messages: list[ServerMessage] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    endings: list[str] = field(default_factory=list)
    connection: "TappedConnection | None" = None
    home: str | None = None
    """The gateway that said last that the session is there; None while the client looks for one."""

    def opened(self, url: str, connection: "TappedConnection") -> None:
        """Connected; whether the session goes on there has not been said yet."""
        self.urls.append(url)
        self.connection = connection
        self.home = None

    def note(self, message: ServerMessage) -> None:
        """A message came."""
        self.messages.append(message)
        if isinstance(message, Ready):
            self.home = self.urls[-1].partition("?")[0]

    @property
    def resumed(self) -> int:
        """How often the session went on over another connection."""
        return sum(isinstance(message, Ready) and message.resumed for message in self.messages)

    def cut(self) -> None:
        """Break the connection without a word, as a lost network does."""
        assert self.connection is not None
        self.connection.abort()


_wire: ContextVar[Wire] = ContextVar("wire")


class TappedConnection(Connection):
    """The library's connection; each session's task carries the ``Wire`` that it writes to in its context."""

    @classmethod
    async def open(cls, url: str, endpoint: Endpoint, limits: Limits, traffic: Traffic) -> "TappedConnection":
        """Connect, and note where."""
        connection = await super().open(url, endpoint, limits, traffic)
        assert isinstance(connection, cls)
        _wire.get().opened(url, connection)
        return connection

    async def receive(self) -> ServerMessage:
        """Receive, and note what."""
        wire = _wire.get()
        try:
            message = await super().receive()
        except ConnectionLost as lost:
            wire.home = None
            wire.endings.append(str(getattr(lost.ending, "error", "done")))
            raise
        wire.note(message)
        return message

    def abort(self) -> None:
        """Drop the socket without a close frame."""
        self._socket.transport.abort()


class Caller:
    """Somebody who speaks: clips with pauses between them, until told to stop.

    Args:
        name: for reports.
        urls: gateways, the first first.
        clips: what to say, all of one sample rate.
        target: language to translate into, None for none.
        partials: whether captions are wanted while speaking.
        speed: times real time.
        gap: silence after each clip in seconds; longer than the gateways' silence threshold.
        limits: the library's.
    """

    def __init__(
        self,
        name: str,
        urls: Sequence[str],
        clips: Iterable[Clip],
        rate: int,
        *,
        target: str | None = "es",
        partials: bool = True,
        speed: float = 1.0,
        gap: float = GAP_SECONDS,
        limits: Limits = QUICK,
    ) -> None:
        self.name = name
        self.rate = rate
        self.target = target
        self.wire = Wire()
        self.events: list[Event] = []
        self.said: list[Said] = []
        self.failure: SpeechpipeError | None = None
        self.session_id = ""
        self._urls = tuple(urls)
        self._clips: Iterator[Clip] = iter(clips)
        self._options = SessionOptions(
            sample_rate=rate, source="en", targets=(target,) if target else (), partials=partials
        )
        self._speed = speed
        self._gap = gap
        self._limits = limits
        self._position = 0

    @property
    def errors(self) -> list[Error]:
        """What the gateway complained of."""
        return [event for event in self.events if isinstance(event, Error)]

    @property
    def finals(self) -> int:
        """Finals heard so far."""
        return sum(isinstance(event, FinalCaption) for event in self.events)

    async def talk(self, enough: asyncio.Event) -> None:
        """Speak until ``enough`` is set or there is no more to say, then wait for everything that is owed."""
        _wire.set(self.wire)
        try:
            async with connect(self._urls, self._options, limits=self._limits) as session:
                self.session_id = session.session_id
                listening = asyncio.create_task(self._listen(session))
                try:
                    await self._speak(session, enough)
                    await session.stop()
                    await listening
                finally:
                    listening.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await listening
        except SpeechpipeError as error:
            self.failure = error

    async def _listen(self, session: Session) -> None:
        async for event in session:
            self.events.append(event)

    async def _speak(self, session: Session, enough: asyncio.Event) -> None:
        gap = np.zeros(round(self._gap * self.rate), np.int16)
        clock = asyncio.get_running_loop().time
        self._due = clock()
        while not enough.is_set():
            clip = next(self._clips, None)
            if clip is None:
                return
            start = self._position / self.rate
            self.said.append(Said(clip.text, start, start + clip.seconds))
            await self._send(session, clip.samples)
            await self._send(session, gap)

    async def _send(self, session: Session, samples: Samples) -> None:
        clock = asyncio.get_running_loop().time
        size = round(self.rate * BLOCK_SECONDS)
        for begin in range(0, len(samples), size):
            block = samples[begin : begin + size]
            # A microphone does not catch up: what was held back by the network goes on at its own pace afterwards.
            self._due = max(self._due, clock() - 1.0) + len(block) / self.rate / self._speed
            await asyncio.sleep(self._due - clock())
            self._position += len(block)
            await session.send(block.astype("<i2").tobytes())
