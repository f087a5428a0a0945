"""A stretch of speech and its session: nothing that was said is lost, whatever becomes of the connection."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final

from speechpipe_client import (
    AuthenticationError,
    Back,
    Event,
    IdleTimeout,
    Limits,
    Lost,
    Opened,
    Problem,
    ProtocolError,
    Session,
    SessionEnded,
    SessionOptions,
    connect,
)
from speechpipe_client.audio import BLOCK_SECONDS
from speechpipe_client.desktop import sentences
from speechpipe_client.desktop.heard import HeardUntil
from speechpipe_client.desktop.notices import Heard, Notice, State, Status
from speechpipe_client.desktop.recording import Recording

PATIENCE_SECONDS: Final = 600.0
"""A server is restarted, or a laptop goes from one network to another, in less."""

LIMITS: Final = Limits(
    unsent_seconds=PATIENCE_SECONDS,
    retained_seconds=PATIENCE_SECONDS,
    patience_seconds=PATIENCE_SECONDS,
    opening_seconds=5.0,
)

_FORGOTTEN: Final = (AuthenticationError, IdleTimeout, ProtocolError, SessionEnded)
"""How a server refuses a session that it does not know any more, while a new one may be welcome."""

_FRUITLESS: Final = 3
"""New sessions in a row that may end without a caption before the server is given up."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where to connect, as whom, and in which languages."""

    urls: tuple[str, ...]
    api_key: str
    source: str
    targets: tuple[str, ...]


class Conversation:
    """Captions a recording, from its beginning to its end.

    Args:
        recording: runs by itself, and may have ended long before its captions come.
        wishes: see there.
        tell: called with what happens, in the thread of the event loop.
    """

    def __init__(self, recording: Recording, wishes: Wishes, tell: Callable[[Notice], None]) -> None:
        self._recording = recording
        self._wishes = wishes
        self._tell = tell
        self._heard = HeardUntil(recording.source.sample_rate)
        self._session: Session | None = None
        self._state = State.OPENING
        self._origin = 0
        self._open = False
        self._lost = False

    async def run(self) -> None:
        """Return when everything is delivered.

        A server that has forgotten the session (it lost its memory, or its time was over) is given a new one, which
        begins where captions are missing.

        Raises:
            SpeechpipeError: no session can be had, it could not go on, or the source failed.
        """
        fruitless = 0
        while True:
            try:
                await self._talk()
                break
            except _FORGOTTEN:
                fruitless = 0 if self._forget() else fruitless + 1
                if not self._open or fruitless == _FRUITLESS:
                    raise
                self._lose()
        if self._recording.trouble is not None:
            raise self._recording.trouble

    async def set_languages(self, source: str, targets: tuple[str, ...]) -> None:
        """Change the languages from the next segment on."""
        self._wishes = Wishes(self._wishes.urls, self._wishes.api_key, source, targets)
        if self._session is not None and self._open:
            await self._session.set_languages(source, targets)

    def finish(self) -> None:
        """No more sound; what was said is still captioned."""
        self._recording.stop()
        self._state = State.FINISHING
        if not self._lost:
            self._tell(Status(self._state))

    async def _talk(self) -> None:
        wishes = self._wishes
        self._open = False
        self._heard = HeardUntil(self._recording.source.sample_rate)
        options = SessionOptions(
            sample_rate=self._recording.source.sample_rate, source=wishes.source, targets=wishes.targets
        )
        session = self._session = connect(
            wishes.urls, options, api_key=wishes.api_key or None, limits=LIMITS, audio=self._blocks()
        )
        async with session:
            if self._wishes != wishes:  # changed while it was opened
                await session.set_languages(self._wishes.source, self._wishes.targets)
            async for event in session:
                self._take(event)

    async def _blocks(self) -> AsyncIterator[bytes]:
        position = self._origin
        frames = round(self._recording.source.sample_rate * BLOCK_SECONDS)
        while block := await self._recording.read(position, frames):
            position += len(block) // 2
            yield block
            if self._session is not None:
                self._recording.tape.release(self._origin + self._session.acknowledged)

    def _take(self, event: Event) -> None:
        self._heard.take(event)
        match event:
            case Opened() | Back():
                self._state = State.LISTENING if self._state is State.OPENING else self._state
                self._open = True
                self._tell(Status(self._state, sentences.BACK if self._lost else ""))
                self._lost = False
            case Lost():
                self._lose()
            case Problem():
                self._tell(Status(self._state, sentences.of_problem(event), trouble=True))
        self._tell(Heard(event))

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            self._tell(Status(State.LOST, sentences.LOST, trouble=True))

    def _forget(self) -> bool:
        """Go on behind all that has its captions; whether that is any further than before."""
        acknowledged = self._session.acknowledged if self._session is not None else 0
        fruits = max(acknowledged, self._heard.frame)
        self._origin += fruits
        self._recording.tape.release(self._origin)
        return fruits > 0
