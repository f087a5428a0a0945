"""Speechpipe client: an async Python library and the speechpipe command."""

from speechpipe_client.errors import (
    AuthenticationError,
    GatewayFull,
    GatewayUnreachable,
    IdleTimeout,
    ProtocolError,
    SessionEnded,
    SpeechpipeError,
    TakenOver,
)
from speechpipe_client.inbox import Event
from speechpipe_client.options import Limits, SessionOptions
from speechpipe_client.session import Session, connect
from speechpipe_common.wire import (
    Error,
    FinalCaption,
    Ready,
    Realtime,
    SpeechStarted,
    Translation,
    WireWord,
)

__all__ = [
    "AuthenticationError",
    "Error",
    "Event",
    "FinalCaption",
    "GatewayFull",
    "GatewayUnreachable",
    "IdleTimeout",
    "Limits",
    "ProtocolError",
    "Ready",
    "Realtime",
    "Session",
    "SessionEnded",
    "SessionOptions",
    "SpeechStarted",
    "SpeechpipeError",
    "TakenOver",
    "Translation",
    "WireWord",
    "connect",
]
