"""The native protocol, sans-I/O: what a client may say, and when. Frames in; requests, or a refusal, out."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Final

import msgspec

from speechpipe_common.messages import encode
from speechpipe_common.wire import (
    Auth,
    ClientMessage,
    Error,
    Flush,
    Keepalive,
    Resume,
    ServerMessage,
    SetLangs,
    Start,
    Stop,
)
from speechpipe_gateway.dialect import Audio, ProtocolError, Request
from speechpipe_gateway.handshake import SUBPROTOCOL, handshake_token
from speechpipe_gateway.media import looks_legacy

MESSAGES: Final[dict[str, type[ClientMessage]]] = {
    "auth": Auth,
    "set_langs": SetLangs,
    "start": Start,
    "resume": Resume,
    "flush": Flush,
    "stop": Stop,
    "keepalive": Keepalive,
}


class _Phase(Enum):
    AUTHENTICATING = "before auth"
    WAITING = "before start"
    STREAMING = "after start"
    STOPPED = "after stop"


class NativeProtocol:
    """Order of the messages of one connection.

    Args:
        authenticated: the handshake has shown a key already, or none is needed.
        sample_rate: taken for audio whose client names no rate.
    """

    def __init__(self, *, authenticated: bool, sample_rate: int = 16_000) -> None:
        self._sample_rate = sample_rate
        self._phase = _Phase.WAITING if authenticated else _Phase.AUTHENTICATING

    @property
    def authenticated(self) -> bool:
        """The client has been let in."""
        return self._phase is not _Phase.AUTHENTICATING

    @property
    def binary_is_audio(self) -> bool:
        """It is, once a session has started."""
        return True

    @property
    def translates(self) -> bool:
        """``translation``."""
        return True

    @property
    def says_keepalive(self) -> bool:
        """``keepalive``."""
        return True

    def opening(self) -> list[Request]:
        """The client speaks first."""
        return []

    def let_in(self) -> None:
        """The token of an ``auth`` message was right."""
        self._phase = _Phase.WAITING

    def text(self, raw: str) -> list[Request]:
        """A text frame.

        Raises:
            ProtocolError: not JSON, of no known type, with wrong fields, or out of order.
        """
        message = _parse(raw, self._sample_rate)
        if not self.authenticated and not isinstance(message, Auth):
            raise ProtocolError("not_authenticated", "the first message must be auth with an API key", 1008)
        if self.authenticated and isinstance(message, Auth):
            return []
        match message:
            case Start() | Resume():
                if self._phase is not _Phase.WAITING:
                    raise ProtocolError("already_started", "start and resume may be said once on a connection")
                self._phase = _Phase.STREAMING
            case Stop():
                if self._phase is _Phase.WAITING:
                    raise ProtocolError("not_started", "stop was said before start")
                self._phase = _Phase.STOPPED
            case Flush() if self._phase is _Phase.WAITING:
                raise ProtocolError("not_started", "flush was said before start")
        return [message]

    def binary(self, frame: bytes) -> list[Request]:
        """A binary frame; a legacy one before any ``start`` begins a legacy session.

        Raises:
            ProtocolError: audio is not expected now.
        """
        match self._phase:
            case _Phase.AUTHENTICATING:
                raise ProtocolError("not_authenticated", "the first message must be auth with an API key", 1008)
            case _Phase.STOPPED:
                raise ProtocolError("audio_after_stop", "audio came after stop; open a new connection for more")
            case _Phase.WAITING:
                if not looks_legacy(frame):
                    raise ProtocolError(
                        "binary_before_start", "audio came before start; say start with sample_rate and format first"
                    )
                self._phase = _Phase.STREAMING
                return [Start(format="legacy", sample_rate=self._sample_rate), Audio(frame)]
        return [Audio(frame)]

    def said(self, message: ServerMessage) -> Sequence[str]:
        """The message, as JSON."""
        return (encode(message).decode(),)

    def goodbye(self, code: int, reason: str) -> tuple[Sequence[str], int]:
        """All has been said."""
        return (), code


class NativeEntrance:
    """``/ws``: see :mod:`speechpipe_gateway.handshake`."""

    path = "/ws"
    late_auth = True

    def token(self, headers: Mapping[str, str], offered: Sequence[str]) -> str | None:
        """The key of the ``Authorization`` header, or of a subprotocol."""
        return handshake_token(headers.get("authorization"), offered)

    def subprotocol(self, offered: Sequence[str]) -> str | None:
        """Ours, where the client offers it."""
        return SUBPROTOCOL if SUBPROTOCOL in offered else None

    def resuming(self, query: Mapping[str, str]) -> bool:
        """``?resume`` says so."""
        return "resume" in query

    def begin(self, query: Sequence[tuple[str, str]], *, authenticated: bool, sample_rate: int) -> NativeProtocol:
        """All else is said in messages."""
        return NativeProtocol(authenticated=authenticated, sample_rate=sample_rate)

    def denial(self, status: int, code: str, message: str) -> tuple[Mapping[str, Any], Mapping[str, str]]:
        """Code and message."""
        return {"code": code, "message": message}, {}

    def error(self, code: str, message: str, close: int) -> tuple[str, int]:
        """An ``error`` with the close code that follows."""
        return encode(Error(code=code, message=message, close=close)).decode(), close


def _parse(raw: str, sample_rate: int) -> ClientMessage:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise ProtocolError("not_json", f"a text frame must be a JSON object: {error}") from error
    if not isinstance(fields, dict):
        raise ProtocolError("not_json", f"a text frame must be a JSON object, not {type(fields).__name__}")
    name = fields.get("type")
    kind = MESSAGES.get(name) if isinstance(name, str) else None
    if kind is None:
        shown = str(name)[:64]
        raise ProtocolError("unknown_type", f"type {shown!r} is not known; say one of {', '.join(MESSAGES)}")
    if kind is Start:
        fields.setdefault("sample_rate", sample_rate)
    try:
        return msgspec.convert(fields, type=kind)
    except msgspec.ValidationError as error:
        raise ProtocolError("bad_message", f"{name}: {error}") from error
