"""What a client of ``/v1/listen`` is sent. Field names are Deepgram's; pure."""

import re
import uuid
from collections.abc import Sequence
from importlib.metadata import version
from typing import Final

import msgspec

from speechpipe_common.wire import WireWord

MODEL_ID: Final = str(uuid.uuid5(uuid.NAMESPACE_DNS, "speechpipe.dev"))
CHANNEL: Final = (0, 1)
"""The first of one: channels are mixed."""

_OUTSIDE: Final = re.compile(r"^\W+|\W+$")


class ModelInfo(msgspec.Struct, frozen=True):
    """What answers. Which weights it has is the pipeline's affair."""

    name: str = "speechpipe"
    version: str = version("speechpipe-gateway")
    arch: str = "whisper"


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A word: bare and in lower case, and as it stands in the transcript."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str


class Alternative(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The only reading that there is."""

    transcript: str
    confidence: float
    words: tuple[Word, ...]
    languages: tuple[str, ...] | None = None
    """Where it was detected."""


class Channel(msgspec.Struct, frozen=True):
    """What was heard."""

    alternatives: tuple[Alternative, ...]


class About(msgspec.Struct, frozen=True, kw_only=True):
    """``metadata`` of ``Results``."""

    request_id: str
    model_info: ModelInfo = ModelInfo()
    model_uuid: str = MODEL_ID


class Results(msgspec.Struct, frozen=True, kw_only=True, tag="Results"):
    """A caption of the audio from ``start`` on for ``duration`` seconds."""

    channel_index: tuple[int, int] = CHANNEL
    duration: float
    start: float
    is_final: bool
    speech_final: bool
    channel: Channel
    metadata: About
    from_finalize: bool


class SpeechStarted(msgspec.Struct, frozen=True, kw_only=True, tag="SpeechStarted"):
    """Somebody speaks from ``timestamp`` on."""

    channel: tuple[int, int] = CHANNEL
    timestamp: float


class UtteranceEnd(msgspec.Struct, frozen=True, kw_only=True, tag="UtteranceEnd"):
    """Nothing has followed the last word for as long as was asked for."""

    channel: tuple[int, int] = CHANNEL
    last_word_end: float


class Metadata(msgspec.Struct, frozen=True, kw_only=True, tag="Metadata"):
    """The last message."""

    transaction_key: str = "deprecated"
    request_id: str
    sha256: str
    """Of the bytes that came."""
    created: str
    duration: float
    channels: int = 1
    models: tuple[str, ...] = (MODEL_ID,)
    model_info: dict[str, ModelInfo] = msgspec.field(default_factory=lambda: {MODEL_ID: ModelInfo()})


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="Error", omit_defaults=True):
    """``Error``: something is wrong."""

    variant: str
    description: str
    message: str | None = None
    """What the client had said, where it could not be understood."""


class ConfigureFailure(msgspec.Struct, frozen=True, kw_only=True, tag="ConfigureFailure"):
    """Options stay as they are."""

    request_id: str
    code: str
    description: str


Message = Results | SpeechStarted | UtteranceEnd | Metadata | Failure | ConfigureFailure


def encode(message: Message) -> str:
    """A text frame."""
    return msgspec.json.encode(message).decode()


def spoken(words: Sequence[WireWord]) -> tuple[Word, ...]:
    """A final's words."""
    return tuple(
        Word(
            word=_OUTSIDE.sub("", word.text).lower() or word.text,
            start=round(word.start, 3),
            end=round(word.end, 3),
            confidence=round(word.probability, 4),
            punctuated_word=word.text.strip(),
        )
        for word in words
    )


def reading(text: str, words: tuple[Word, ...] = (), language: str | None = None) -> Channel:
    """The one alternative; its confidence is the mean of its words', 0 where there are none."""
    confidence = sum(word.confidence for word in words) / len(words) if words else 0.0
    languages = (language,) if language else None
    alternative = Alternative(transcript=text, confidence=round(confidence, 4), words=words, languages=languages)
    return Channel((alternative,))
