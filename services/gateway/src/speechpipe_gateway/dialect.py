"""What every protocol that clients speak has in common: frames in, requests out; messages in, frames out.

The session behind them is one and the same. An :class:`Entrance` decides on a handshake, a :class:`Dialect` is the
state of one connection; both are sans-I/O.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from speechpipe_common.wire import CLOSE_BAD_MESSAGE, ClientMessage, ServerMessage


class ProtocolError(Exception):
    """The client said something that it must not; told to it as an ``error``, then the connection is closed.

    Attributes:
        code: stable name for programs.
        message: what was wrong, with which value, and what to do.
        close: close code, or None where the session can go on.
    """

    def __init__(self, code: str, message: str, close: int | None = CLOSE_BAD_MESSAGE) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.close = close


@dataclass(frozen=True, slots=True)
class Audio:
    """A binary frame of the session's audio."""

    frame: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """A text frame that the client is sent, after all that was queued for it before."""

    text: str


@dataclass(frozen=True, slots=True)
class Later:
    """Text frames that are decided on when all that was queued before has been said."""

    say: Callable[[], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Flushed:
    """Waits in the queue of what a client is sent, for a :class:`Timekeeper`."""

    owed: frozenset[str]


Request = ClientMessage | Audio | Reply | Later
"""What a dialect makes of a frame; the native protocol's messages are what a session understands."""


class Dialect(Protocol):
    """One connection's protocol."""

    @property
    def authenticated(self) -> bool:
        """The client has been let in."""
        ...

    @property
    def binary_is_audio(self) -> bool:
        """Once a session has started, binary frames are its audio as they come, and need not pass :meth:`binary`."""
        ...

    @property
    def says_keepalive(self) -> bool:
        """Its clients have a message for when they have nothing to say; of others, pings ask whether they are there."""
        ...

    @property
    def translates(self) -> bool:
        """It can show translations; else none are made, whatever the gateway's defaults."""
        ...

    def let_in(self) -> None:
        """The token of an ``auth`` request was right."""
        ...

    def opening(self) -> list[Request]:
        """What happens before the client says anything."""
        ...

    def text(self, raw: str) -> list[Request]:
        """A text frame.

        Raises:
            ProtocolError: it is refused.
        """
        ...

    def binary(self, frame: bytes) -> list[Request]:
        """A binary frame.

        Raises:
            ProtocolError: it is refused.
        """
        ...

    def said(self, message: ServerMessage) -> Sequence[str]:
        """Text frames by which the client is told what its session says; may be none."""
        ...

    def goodbye(self, code: int, reason: str) -> tuple[Sequence[str], int]:
        """Last text frames, and the code to close with, where the native protocol closes with ``code``."""
        ...


@runtime_checkable
class Timekeeper(Protocol):
    """A dialect whose messages have nothing but times and their order: it gets finals in the order of their segments.

    It is also told how far its session has come, and its audio passes ``binary``.
    """

    def heard(self, seconds: float) -> Sequence[Request]:
        """The session has so much audio now, in seconds from its start."""
        ...

    def flushed(self, owed: frozenset[str]) -> Sequence[str]:
        """Text frames for a ``flush``, when all that was queued before it has been said.

        Args:
            owed: ids of the segments whose finals were still to come when the flush was done.
        """
        ...


class Entrance(Protocol):
    """How clients of one protocol come in."""

    @property
    def path(self) -> str:
        """Where they connect."""
        ...

    @property
    def late_auth(self) -> bool:
        """Whether a client without a key may still show it in its first message."""
        ...

    def token(self, headers: Mapping[str, str], offered: Sequence[str]) -> str | None:
        """The API key that the handshake shows; None when there is none, ``""`` when it cannot be read."""
        ...

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """The one to answer with; never one that carries a key."""
        ...

    def resuming(self, query: Mapping[str, str]) -> bool:
        """Whether the client comes back to a session that was accepted before."""
        ...

    def begin(self, query: Sequence[tuple[str, str]], *, authenticated: bool, sample_rate: int) -> Dialect:
        """The protocol of one connection.

        Args:
            query: of the address, in its order.
            authenticated: a key was shown, or none is needed.
            sample_rate: of audio whose client names none, Hz.

        Raises:
            ProtocolError: the query is refused, before the upgrade.
        """
        ...

    def denial(self, status: int, code: str, message: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Body and headers of the HTTP answer to a handshake that is refused."""
        ...

    def error(self, code: str, message: str, close: int) -> tuple[str, int]:
        """For a page, which sees no HTTP status: the only text frame, and the code to close with."""
        ...
