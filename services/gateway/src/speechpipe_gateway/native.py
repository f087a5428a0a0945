"""The native protocol, sans-I/O: what a client may say, and when. Frames in; requests, or a refusal, out."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import msgspec

from speechpipe_common.wire import (
    CLOSE_BAD_MESSAGE,
    Auth,
    ClientMessage,
    Flush,
    Keepalive,
    Resume,
    SetLangs,
    Start,
    Stop,
)
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


Request = ClientMessage | Audio


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
