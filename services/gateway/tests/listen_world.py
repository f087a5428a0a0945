"""A connection to ``/v1/listen`` without any socket, and what its session would say."""

import json
from collections.abc import Iterable
from typing import Any

from speechpipe_common.wire import FinalCaption, Realtime, ServerMessage, SpeechStarted, WireWord
from speechpipe_gateway.deepgram.dialect import DeepgramDialect
from speechpipe_gateway.deepgram.options import parse
from speechpipe_gateway.dialect import Later, Reply, Request

ID = "the-request"
RAW = "encoding=linear16&sample_rate=16000"


class Client:
    """Says frames to a dialect, and keeps what comes of them. ``query`` is as in an address."""

    def __init__(self, query: str = RAW) -> None:
        pairs = [tuple(pair.split("=", 1)) for pair in query.split("&") if pair]
        self.dialect = DeepgramDialect(parse(pairs), ID, "2026-01-01T00:00:00.000000Z")  # type: ignore[arg-type]
        self.replies: list[dict[str, Any]] = []
        self.opening = self._take(self.dialect.opening())

    def say(self, *frames: str | bytes) -> list[Request]:
        """Frames; what they ask of the session. A name stands for the control message of that type."""
        made: list[Request] = []
        for frame in frames:
            if isinstance(frame, bytes):
                made += self._take(self.dialect.binary(frame))
            else:
                raw = frame if not frame.isalpha() else json.dumps({"type": frame})
                made += self._take(self.dialect.text(raw))
        return made

    def heard(self, seconds: float) -> list[dict[str, Any]]:
        """So much audio has come; what the client is told."""
        self.replies.clear()
        self._take(self.dialect.heard(seconds))
        return list(self.replies)

    def hear(self, *messages: ServerMessage) -> list[dict[str, Any]]:
        """The session says something; what the client is told."""
        return [json.loads(text) for message in messages for text in self.dialect.said(message)]

    def flushed(self, *owed: int) -> list[dict[str, Any]]:
        """A flush has come to its turn; what the client is told."""
        return [json.loads(text) for text in self.dialect.flushed(frozenset(map(str, owed)))]

    def goodbye(self, code: int) -> tuple[list[dict[str, Any]], int]:
        """The last messages and the close code."""
        texts, close = self.dialect.goodbye(code, "reason")
        return [json.loads(text) for text in texts], close

    def _take(self, requests: Iterable[Request]) -> list[Request]:
        made: list[Request] = []
        for request in requests:
            match request:
                case Reply(text):
                    self.replies.append(json.loads(text))
                case Later(say):
                    self.replies += map(json.loads, say())
                case _:
                    made.append(request)
        return made


def onset(second: float) -> SpeechStarted:
    """Somebody speaks from there on."""
    return SpeechStarted(segment_id=str(round(second * 16_000)), offset=0)


def partial(second: float, text: str, language: str = "en") -> Realtime:
    """A partial of what began there."""
    return Realtime(
        segment_id=str(round(second * 16_000)),
        rev=1,
        text=text,
        committed="",
        tail=text,
        language=language,
        processing_time=0.1,
        cursor="0-0",
    )


def final(
    start: float, end: float, text: str, *words: tuple[str, float, float, float], continues: bool = False
) -> FinalCaption:
    """A caption, its words each with start, end and probability."""
    return FinalCaption(
        segment_id=str(round(start * 16_000)),
        rev=2,
        text=text,
        language="en",
        start=start,
        end=end,
        words=tuple(WireWord(text=w, start=s, end=e, probability=p) for w, s, e, p in words),
        continues=continues,
        processing_time=0.1,
        cursor="1-0",
    )
