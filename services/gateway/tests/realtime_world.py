"""A connection of the OpenAI Realtime protocol without any socket, and what its session would say."""

import base64
import itertools
import json
from collections import defaultdict
from typing import Any

from speechpipe_common.wire import Error, FinalCaption, Realtime, SpeechStarted, WireWord
from speechpipe_gateway.dialect import Audio, Reply, Request
from speechpipe_gateway.openai_realtime.config import MODELS, Config
from speechpipe_gateway.openai_realtime.dialect import RealtimeDialect

RATE = 16_000
SECOND = bytes(48_000)
"""Of 24 kHz PCM."""


class Client:
    """Says events to a dialect, and keeps what comes of it."""

    def __init__(self, config: Config | None = None) -> None:
        counters: defaultdict[str, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self.dialect = RealtimeDialect(config or Config(), MODELS, lambda word: f"{word}_{next(counters[word])}")
        self.requests: list[Request] = []
        self.events: list[dict[str, Any]] = []
        self._take(self.dialect.opening())

    def raw(self, frame: str | bytes) -> list[Request]:
        """A frame; the requests that came of it, without replies."""
        made = self.dialect.text(frame) if isinstance(frame, str) else self.dialect.binary(frame)
        return self._take(made)

    def say(self, name: str, **fields: Any) -> list[Request]:
        """An event."""
        return self.raw(json.dumps({"type": name, **fields}))

    def update(self, **heard: Any) -> list[Request]:
        """``session.update`` of what is under ``audio.input``."""
        return self.say("session.update", session={"type": "transcription", "audio": {"input": heard}})

    def append(self, audio: bytes = SECOND) -> list[Request]:
        """Audio."""
        return self.say("input_audio_buffer.append", audio=base64.b64encode(audio).decode())

    def commit(self, *owed: int) -> list[dict[str, Any]]:
        """Commit; the events after the flush, when these segments have no final yet."""
        return self._flush("input_audio_buffer.commit", owed)

    def clear(self, *owed: int) -> list[dict[str, Any]]:
        """Clear, likewise."""
        return self._flush("input_audio_buffer.clear", owed)

    def hear(self, message: SpeechStarted | Realtime | FinalCaption | Error) -> list[dict[str, Any]]:
        """The session says something; the events that the client gets."""
        return self._read(self.dialect.said(message))

    @property
    def refusal(self) -> dict[str, Any]:
        """The last event, which must be an error."""
        assert self.events[-1]["type"] == "error", self.events[-1]
        error: dict[str, Any] = self.events[-1]["error"]
        return error

    def _flush(self, name: str, owed: tuple[int, ...]) -> list[dict[str, Any]]:
        self.say(name)
        return self._read(self.dialect.flushed(frozenset(map(str, owed))))

    def _take(self, requests: list[Request]) -> list[Request]:
        self._read([request.text for request in requests if isinstance(request, Reply)])
        made: list[Request] = [request for request in requests if not isinstance(request, Reply)]
        self.requests += made
        return made

    def _read(self, texts: Any) -> list[dict[str, Any]]:
        read = [json.loads(text) for text in texts]
        self.events += read
        return read


def started(segment: int, offset: int = 0) -> SpeechStarted:
    """An onset."""
    return SpeechStarted(segment_id=str(segment), offset=offset)


def partial(segment: int, committed: str, tail: str = "", language: str = "en") -> Realtime:
    """A caption that may change."""
    return Realtime(
        segment_id=str(segment),
        rev=1,
        text=committed + tail,
        committed=committed,
        tail=tail,
        language=language,
        processing_time=0.1,
        cursor="0-0",
    )


def final(segment: int, text: str, end: int, *, continues: bool = False, language: str = "en") -> FinalCaption:
    """A caption that stays, up to sample ``end``, whose every word is probably right."""
    return FinalCaption(
        segment_id=str(segment),
        rev=9,
        text=text,
        language=language,
        start=segment / RATE,
        end=end / RATE,
        words=tuple(WireWord(text=word, start=0, end=0, probability=0.5) for word in text.split()),
        continues=continues,
        processing_time=0.1,
        cursor="1-0",
    )


def lost(segment: int) -> Error:
    """A segment that could not be decoded."""
    return Error(code="decoding_failed", message="three workers gave up", segment_id=str(segment))


def names(events: list[dict[str, Any]]) -> list[str]:
    """Types of events, without what all have in common."""
    short = (event["type"].replace("conversation.item.input_audio_transcription.", "~") for event in events)
    return [name.replace("input_audio_buffer.", "").replace("conversation.item.", "item.") for name in short]


def deltas(events: list[dict[str, Any]]) -> str:
    """All deltas, joined."""
    return "".join(event["delta"] for event in events if event["type"].endswith(".delta"))


def audio_of(requests: list[Request]) -> bytes:
    """All audio, joined."""
    return b"".join(request.frame for request in requests if isinstance(request, Audio))
