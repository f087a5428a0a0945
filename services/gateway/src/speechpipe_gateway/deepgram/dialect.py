"""One connection to ``/v1/listen``, sans-I/O: its frames to requests, and captions to its messages."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import msgspec

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.wire import (
    CLOSE_AUTH,
    CLOSE_BAD_MESSAGE,
    CLOSE_DONE,
    CLOSE_IDLE,
    CLOSE_SERVER,
    CLOSE_TAKEN_OVER,
    Error,
    FinalCaption,
    Flush,
    Keepalive,
    Realtime,
    ServerMessage,
    SetLangs,
    SpeechStarted,
    Start,
    Stop,
)
from speechpipe_gateway.deepgram import messages
from speechpipe_gateway.deepgram.audio import Frames
from speechpipe_gateway.deepgram.messages import About, Channel, Results, encode, reading, spoken
from speechpipe_gateway.deepgram.options import Listen
from speechpipe_gateway.deepgram.utterances import Utterances
from speechpipe_gateway.dialect import Audio, Later, Reply, Request

BAD_AUDIO, NO_AUDIO = "DATA-0000", "NET-0001"
"""Deepgram's names of its two ways to end a stream: it cannot be decoded, and nothing comes."""
UNREADABLE: Final = "SchemaError"

_CLOSES: Final = {CLOSE_BAD_MESSAGE: CLOSE_AUTH, CLOSE_IDLE: CLOSE_SERVER, CLOSE_TAKEN_OVER: CLOSE_SERVER}
"""Where Deepgram closes with another code: 1008 for what is wrong, 1011 for what did not come."""
_VARIANTS: Final = {CLOSE_BAD_MESSAGE: BAD_AUDIO, CLOSE_IDLE: NO_AUDIO}
_SAID_BACK: Final = 200
"""Characters of a message that could not be understood."""


class DeepgramDialect:
    """State of one connection.

    Args:
        listen: what the query asks for.
        request_id: made by the server.
        created: when it began, ISO 8601.
    """

    authenticated = True
    binary_is_audio = False
    says_keepalive = True
    translates = False

    def __init__(self, listen: Listen, request_id: str, created: str) -> None:
        self._listen = listen
        self._id = request_id
        self._created = created
        self._frames = Frames(listen)
        self._sha = hashlib.sha256()
        self._started = False
        self._closing = False
        self._heard = 0.0
        self._told = 0.0
        """End of the last final, seconds: the next result begins there."""
        self._utterances = Utterances(listen.utterance_end_seconds)
        self._marked = False
        self._finalizing: list[set[str]] = []
        """For each ``Finalize`` that is not answered, the segments that it waits for; never the same ones twice."""

    # --- in --------------------------------------------------------------------------------------------------------

    def let_in(self) -> None:
        """The handshake has done that."""

    def opening(self) -> list[Request]:
        """Languages, and the session, unless the first frame must say what it is of."""
        language = self._listen.language
        requests: list[Request] = [SetLangs(source_language=language)] if language else []
        start = self._frames.declared()
        self._started = start is not None
        return [*requests, start] if start else requests

    def text(self, raw: str) -> list[Request]:
        """A control message; one that cannot be understood is answered, and changes nothing."""
        if self._closing:
            return []
        match _fields(raw):
            case {"type": "KeepAlive"}:
                return [Keepalive()]
            case {"type": "Finalize"}:
                return [Flush()] if self._started else [Later(partial(self.flushed, frozenset()))]
            case {"type": "CloseStream"}:
                return self._close()
            case {"type": "Configure"}:
                return [Reply(self._not_configured())]
        problem = "a text message must be JSON with the type KeepAlive, Finalize, CloseStream or Configure"
        back = raw[:_SAID_BACK].encode(errors="replace").decode()
        return [Reply(encode(messages.Failure(variant=UNREADABLE, description=problem, message=back)))]

    def binary(self, frame: bytes) -> list[Request]:
        """Audio; an empty frame closes the stream.

        Raises:
            ProtocolError: it is in no container, and the query has not said what else it is.
        """
        if self._closing:
            return []
        if not frame:
            return self._close()
        self._sha.update(frame)
        start = None if self._started else self._frames.found(frame)
        if start is None and not self._started:
            return []
        self._started = True
        audio = Audio(self._frames.whole(frame))
        return [audio] if start is None else [start, audio]

    def heard(self, seconds: float) -> Sequence[Request]:
        """Where an utterance's end is asked for, it is looked for once all that was heard has been said."""
        self._heard = seconds
        if self._listen.utterance_end_seconds is None or self._marked:
            return ()
        self._marked = True
        return (Later(partial(self._reached, seconds)),)

    def _close(self) -> list[Request]:
        self._closing = True
        return [Stop()] if self._started else [Start(), Stop()]

    def _not_configured(self) -> str:
        return encode(
            messages.ConfigureFailure(
                request_id=self._id,
                code="CONFIGURE_KEYTERMS_NOT_SUPPORTED",
                description="options cannot be changed while a stream runs; open another with keyterm in its address",
            )
        )

    # --- out -------------------------------------------------------------------------------------------------------

    def said(self, message: ServerMessage) -> Sequence[str]:
        """``Results`` and the rest; acknowledgements and translations have no place in this protocol."""
        match message:
            case SpeechStarted(segment_id=segment):
                return self._began(int(segment))
            case Realtime(text=text, language=language):
                return [self._results(self._channel(text, language), self._heard, is_final=False)]
            case FinalCaption():
                return self._final(message)
            case Error(segment_id=str(segment), language=None):
                return self._failed(segment, message)
            case Error(segment_id=None):
                variant = _VARIANTS.get(message.close or 0, message.code)
                return [encode(messages.Failure(variant=variant, description=message.message))]
        return ()

    def flushed(self, owed: frozenset[str]) -> Sequence[str]:
        """A ``Finalize`` is answered by the last final that it waits for; at once, where it waits for none.

        Those that wait for the same finals share the answer: however often it is said, there is little to remember.
        """
        if not owed:
            return [self._finalized()]
        if owed not in self._finalizing:
            self._finalizing.append(set(owed))
        return ()

    def goodbye(self, code: int, reason: str) -> tuple[Sequence[str], int]:
        """``Metadata`` is the last message of a stream that was closed in order."""
        if code != CLOSE_DONE:
            return (), _CLOSES.get(code, code)
        metadata = messages.Metadata(
            request_id=self._id, sha256=self._sha.hexdigest(), created=self._created, duration=round(self._heard, 3)
        )
        return [*self._ended(self._utterances.reached(self._heard)), encode(metadata)], code

    def _began(self, segment: int) -> list[str]:
        start = segment / SAMPLE_RATE
        ended = self._ended(self._utterances.began(segment, start))
        onset = messages.SpeechStarted(timestamp=round(start, 3))
        return [*ended, encode(onset)] if self._listen.vad_events else ended

    def _final(self, final: FinalCaption) -> list[str]:
        words = spoken(final.words)
        answered = self._answered(final.segment_id)
        result = self._results(
            self._channel(final.text, final.language, words),
            final.end,
            is_final=True,
            speech_final=self._listen.endpointing and not final.continues,
            from_finalize=answered > 0,
        )
        self._told = max(self._told, final.end)
        before = self._ended(self._utterances.speaks(words[0].start)) if words else []
        last_word = words[-1].end if words else final.end if final.text else None
        ended = self._utterances.final(int(final.segment_id), last_word, continues=final.continues)
        return [*before, result, *(self._finalized() for _ in range(answered - 1)), *self._ended(ended)]

    def _failed(self, segment: str, error: Error) -> list[str]:
        failure = encode(messages.Failure(variant=error.code, description=error.message))
        finalized = [self._finalized() for _ in range(self._answered(segment))]
        return [failure, *finalized, *self._ended(self._utterances.failed(int(segment)))]

    def _answered(self, segment: str) -> int:
        """How many times ``Finalize`` has its answer now that this segment has one."""
        for waiting in self._finalizing:
            waiting.discard(segment)
        before = len(self._finalizing)
        self._finalizing = [waiting for waiting in self._finalizing if waiting]
        return before - len(self._finalizing)

    def _finalized(self) -> str:
        """The answer to a ``Finalize`` that found nothing to finalise."""
        result = self._results(reading(""), self._heard, is_final=True, from_finalize=True)
        self._told = max(self._told, self._heard)
        return result

    def _reached(self, seconds: float) -> Sequence[str]:
        self._marked = False
        return self._ended(self._utterances.reached(seconds))

    def _ended(self, last_word: float | None) -> list[str]:
        return [] if last_word is None else [encode(messages.UtteranceEnd(last_word_end=last_word))]

    def _channel(self, text: str, language: str, words: tuple[messages.Word, ...] = ()) -> Channel:
        return reading(text, words, language if self._listen.language == "auto" else None)

    def _results(
        self, channel: Channel, end: float, *, is_final: bool, speech_final: bool = False, from_finalize: bool = False
    ) -> str:
        return encode(
            Results(
                start=round(self._told, 3),
                duration=round(max(end - self._told, 0), 3),
                is_final=is_final,
                speech_final=speech_final,
                channel=channel,
                metadata=About(request_id=self._id),
                from_finalize=from_finalize,
            )
        )


def _fields(raw: str) -> dict[str, Any] | None:
    try:
        fields = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    return fields if isinstance(fields, dict) else None
