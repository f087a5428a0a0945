"""How a stream talks to what is loaded: one small adapter for each kind of peer."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

from speechpipe_client.connecting import connect
from speechpipe_client.errors import GatewayUnreachable, ProtocolError, SpeechpipeError
from speechpipe_client.load.record import Told
from speechpipe_client.load.talker import RATE, Talker
from speechpipe_client.options import Limits, SessionOptions
from speechpipe_client.session import Session

OPENING_SECONDS: Final = 5.0
"""A gateway that is full for this long has refused the stream."""

REACH_SECONDS: Final = 10.0
"""For a first TCP connection."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What every stream asks of the peer."""

    urls: Sequence[str]
    api_key: str | None = None
    silence: float = 0.8
    partials: bool = True
    targets: tuple[str, ...] = ()


async def reach(url: str) -> None:
    """See that somebody listens at a gateway's address, before a whole load goes there.

    Raises:
        ProtocolError: it is no WebSocket address.
        GatewayUnreachable: nobody does.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise ProtocolError(f"{url!r} is no ws:// or wss:// address")
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    try:
        async with asyncio.timeout(REACH_SECONDS):
            _, writer = await asyncio.open_connection(parts.hostname, port)
    except (OSError, TimeoutError) as error:
        raise GatewayUnreachable(f"no gateway at {url}: {error or 'no answer'}") from error
    writer.close()


class Line(Protocol):
    """One stream's connection. ``send`` and ``cut`` never wait."""

    @property
    def sent(self) -> int:
        """Bytes of all messages sent, audio that was repeated included."""

    @property
    def received(self) -> int:
        """Bytes of all messages received."""

    async def open(self, language: str, talker: Talker) -> None:
        """Begin a session.

        Raises:
            SpeechpipeError: refused, or nobody there.
        """

    def send(self, frame: bytes) -> None:
        """Send a frame, or keep it until it can be sent."""

    async def stop(self) -> None:
        """Nothing more will be said; ``events`` ends when all is answered."""

    def cut(self) -> None:
        """Break the connection as a lost network does; what can come back does."""

    def events(self) -> AsyncIterator[Told]:
        """What comes back.

        Raises:
            SpeechpipeError: the session has come to a bad end.
        """

    async def close(self) -> None:
        """Leave at once."""


class NativeLine:
    """A session of the client library: with it come acknowledgements, resuming, and each final once."""

    def __init__(self, wish: Wish, number: int) -> None:
        turn = number % len(wish.urls)
        self._urls = (*wish.urls[turn:], *wish.urls[:turn])
        self._wish = wish
        self._session: Session | None = None

    @property
    def sent(self) -> int:
        """Bytes of all messages sent, repeated audio included."""
        return self._session.traffic.sent if self._session else 0

    @property
    def received(self) -> int:
        """Bytes of all messages received."""
        return self._session.traffic.received if self._session else 0

    async def open(self, language: str, talker: Talker) -> None:
        """Open the session on a gateway that takes it."""
        wish = self._wish
        options = SessionOptions(
            sample_rate=RATE,
            source=language,
            targets=wish.targets,
            partials=wish.partials,
            silence_threshold_seconds=wish.silence,
        )
        limits = Limits(opening_seconds=OPENING_SECONDS)
        session = connect(self._urls, options, api_key=wish.api_key, limits=limits)
        await session.__aenter__()
        self._session = session

    def send(self, frame: bytes) -> None:
        """Queue it in the session."""
        self._opened.send_nowait(frame)

    async def stop(self) -> None:
        """Say ``stop``."""
        await self._opened.stop()

    def cut(self) -> None:
        """Break the socket without a close frame."""
        self._opened.break_connection()

    def events(self) -> AsyncIterator[Told]:
        """The session's events."""
        return aiter(self._opened)

    async def close(self) -> None:
        """End the session's task; the gateway sees a client that vanished."""
        if self._session is not None:
            await self._session.__aexit__(SpeechpipeError, None, None)

    @property
    def _opened(self) -> Session:
        if self._session is None:
            raise RuntimeError("this line is not open")
        return self._session
