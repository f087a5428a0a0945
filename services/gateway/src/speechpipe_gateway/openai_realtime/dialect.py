"""One connection of the OpenAI Realtime protocol: client events in, requests out; messages in, server events out."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from speechpipe_common.wire import (
    CLOSE_BAD_MESSAGE,
    CLOSE_IDLE,
    CLOSE_TAKEN_OVER,
    Error,
    FinalCaption,
    Flush,
    Realtime,
    ServerMessage,
    SpeechStarted,
)
from speechpipe_gateway.dialect import Audio, Reply, Request
from speechpipe_gateway.openai_realtime import server_events as events
from speechpipe_gateway.openai_realtime.client_events import (
    BETA_UPDATE,
    EVENTS,
    OTHERS,
    Append,
    BetaSession,
    ClientEvent,
    Session,
    SessionUpdate,
)
from speechpipe_gateway.openai_realtime.config import (
    BETA_NAMES,
    GA_NAMES,
    Config,
    check_same_audio,
    updated,
)
from speechpipe_gateway.openai_realtime.conversation import Cause, Conversation
from speechpipe_gateway.openai_realtime.errors import INVALID_REQUEST, SERVER, Refused, convert, decoded, wrong
from speechpipe_gateway.openai_realtime.shapes import shown

MOST_APPENDED: Final = 180_000
"""Bytes of audio in one event, 3.75 s of PCM: in base64 they pass as a message of 256 kB."""

PADDING_MS: Final = 150
"""More than any resampler keeps to itself."""

LEAST_COMMITTED_MS: Final = 100
"""The protocol's own: less is taken for an empty buffer."""

CLOSES: Final = {CLOSE_BAD_MESSAGE: 1007, CLOSE_IDLE: 1001, CLOSE_TAKEN_OVER: 1001}
"""Numbers of RFC 6455 for those of the native protocol; all others are there already."""

CODES: Final = {
    "bad_token": "invalid_api_key",
    "not_authenticated": "missing_api_key",
    "session_too_long": "session_expired",
}
"""Names that clients of this API know, for those of the native protocol."""

_LONGEST_ID: Final = 512


class RealtimeDialect:
    """State of one connection.

    Args:
        config: what is in force before the client says anything.
        models: names by which the pipeline's model may be asked for.
        new_id: makes an id that begins with a word.
    """

    authenticated = True
    binary_is_audio = False
    says_keepalive = False
    translates = False

    def __init__(self, config: Config, models: tuple[str, ...], new_id: Callable[[str], str]) -> None:
        self._config = config
        self._models = models
        self._new_id = new_id
        self._session = new_id("sess")
        self._conversation = Conversation(new_id)
        self._started = False
        self._language_said = False
        self._appended = 0
        """Bytes since the last commit or clear."""
        self._rest = b""
        """The first half of a sample."""

    def let_in(self) -> None:
        """Everybody who is here was let in by the handshake."""

    def opening(self) -> list[Request]:
        """The configuration, first of all."""
        session = shown(self._config, self._session, beta=False)
        return [Reply(events.SessionCreated(event_id=self._new_id("event"), session=session).text)]

    # --- client events ---------------------------------------------------------------------------------------------

    def text(self, raw: str) -> list[Request]:
        """An event; one that is refused is answered with ``error``, and the session goes on."""
        about: str | None = None
        try:
            fields = decoded(raw)
            about = _event_id(fields)
            return self._handle(_event(fields))
        except Refused as refused:
            problem = events.Problem(code=refused.code, message=refused.message, param=refused.param, event_id=about)
            return [Reply(self._error(problem).text)]

    def binary(self, frame: bytes) -> list[Request]:
        """There are none in this protocol."""
        text = "binary frames are not part of this protocol; send input_audio_buffer.append with the audio in base64"
        return [Reply(self._error(events.Problem(code="invalid_event", message=text)).text)]

    def _handle(self, event: ClientEvent) -> list[Request]:
        match event:
            case SessionUpdate(session=session):
                return self._update(session, beta=event.type == BETA_UPDATE)
            case Append(audio=audio):
                return self._append(_audio(audio))
        return self._commit() if event.type == "input_audio_buffer.commit" else self._clear()

    def _update(self, fields: dict[str, Any], *, beta: bool) -> list[Request]:
        session = convert(fields, BetaSession, "session") if beta else convert(fields, Session, "session")
        config = updated(self._config, session, self._models)
        if self._started:
            check_same_audio(self._config, config, BETA_NAMES if beta else GA_NAMES)
        language, self._config = self._config.language, config
        self._conversation.beta, self._conversation.logprobs = beta, config.logprobs
        kind = events.BetaSessionUpdated if beta else events.SessionUpdated
        reply = kind(event_id=self._new_id("event"), session=shown(config, self._session, beta=beta))
        if language == config.language:
            return [Reply(reply.text)]
        self._language_said = True
        return [config.langs, Reply(reply.text)] if self._started else [Reply(reply.text)]

    def _append(self, audio: bytes) -> list[Request]:
        if not audio:
            return []
        self._appended += len(audio)
        audio = self._rest + audio
        whole = len(audio) - len(audio) % self._config.encoding.width
        audio, self._rest = audio[:whole], audio[whole:]
        requests: list[Request] = [] if self._started else self._start()
        return [*requests, Audio(audio)] if audio else requests

    def _start(self) -> list[Request]:
        self._started = True
        self._conversation.turns = self._config.silence_ms is not None
        self._conversation.rate = self._config.encoding.rate
        langs: list[Request] = [self._config.langs] if self._language_said else []
        return [*langs, self._config.start]

    def _commit(self) -> list[Request]:
        encoding = self._config.encoding
        milliseconds = self._appended * 1_000 / (encoding.width * encoding.rate)
        if milliseconds < LEAST_COMMITTED_MS:
            text = (
                f"the buffer holds {milliseconds:.0f} ms of audio since the last commit; "
                f"append at least {LEAST_COMMITTED_MS} ms before you commit"
            )
            raise Refused("input_audio_buffer_commit_empty", text)
        return self._flush("commit")

    def _clear(self) -> list[Request]:
        if not self._started:
            return [Reply(events.Cleared(event_id=self._new_id("event")).text)]
        return self._flush("clear")

    def _flush(self, cause: Cause) -> list[Request]:
        self._appended, self._rest = 0, b""
        self._conversation.flushing(cause)
        if self._config.silence_ms is not None:
            return [Flush()]
        # Pushes the end of the last word out of the resampler; no time that such a client is told is moved by it.
        return [Audio(self._config.encoding.silent(PADDING_MS)), Flush()]

    # --- messages of the session -----------------------------------------------------------------------------------

    def said(self, message: ServerMessage) -> Sequence[str]:
        """Events for a message; most messages have none."""
        match message:
            case SpeechStarted():
                return _texts(self._conversation.started(message))
            case Realtime() | FinalCaption():
                return _texts(self._conversation.caption(message))
            case Error(language=None):
                return self._fault(message)
        return ()

    def heard(self, seconds: float) -> Sequence[Request]:
        """Nothing hangs on it here."""
        return ()

    def flushed(self, owed: frozenset[str]) -> Sequence[str]:
        """Events for a commit or a clear."""
        return _texts(self._conversation.flushed(owed))

    def goodbye(self, code: int, reason: str) -> tuple[Sequence[str], int]:
        """Why was said before, as an ``error``."""
        return (), CLOSES.get(code, code)

    def _fault(self, message: Error) -> Sequence[str]:
        if message.segment_id is not None:
            return _texts(self._conversation.failed(message))
        return (self._error(problem_of(message.code, message.message, message.close)).text,)

    def _error(self, problem: events.Problem) -> events.ErrorEvent:
        return events.ErrorEvent(event_id=self._new_id("event"), error=problem)


def problem_of(code: str, message: str, close: int | None) -> events.Problem:
    """What the native protocol calls an ``error``."""
    kind = INVALID_REQUEST if close in (None, CLOSE_BAD_MESSAGE, CLOSE_IDLE, 1008, 1009) else SERVER
    return events.Problem(type=kind, code=CODES.get(code, code), message=message)


def _texts(said: Iterable[events.ServerEvent]) -> tuple[str, ...]:
    return tuple(event.text for event in said)


def _event_id(fields: dict[str, Any]) -> str | None:
    about = fields.get("event_id")
    if about is None:
        return None
    if not isinstance(about, str) or len(about) > _LONGEST_ID:
        raise wrong("event_id", f"event_id must be a string of at most {_LONGEST_ID} characters")
    return about


def _event(fields: dict[str, Any]) -> ClientEvent:
    name = fields.get("type")
    if not isinstance(name, str):
        raise Refused("missing_required_parameter", f"an event must say its type: one of {', '.join(EVENTS)}", "type")
    if name in OTHERS:
        text = f"{name} is for sessions in which a model answers; only transcription sessions are served here"
        raise Refused("unsupported_event", text, "type")
    if name not in EVENTS:
        raise wrong("type", f"type {name[:64]!r} is not known; say one of {', '.join(EVENTS)}")
    return convert(fields, EVENTS[name])


def _audio(encoded: str) -> bytes:
    if len(encoded) > MOST_APPENDED // 3 * 4:
        text = f"audio has {len(encoded)} characters; append at most {MOST_APPENDED} bytes of audio at once"
        raise Refused("string_above_max_length", text, "audio")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise wrong("audio", f"audio must be base64 of samples in the session's format: {error}") from error
