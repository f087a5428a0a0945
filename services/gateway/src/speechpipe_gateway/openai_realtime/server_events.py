"""What clients are told."""

from typing import Any, Literal

import msgspec

from speechpipe_common.messages import encode
from speechpipe_gateway.openai_realtime.errors import INVALID_REQUEST


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, in ``error`` and in a transcription that failed."""

    type: str = INVALID_REQUEST
    code: str | None
    message: str
    param: str | None = None
    event_id: str | None = None
    """Of the client's event."""


class ServerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Every event has an id."""

    event_id: str

    @property
    def text(self) -> str:
        """The frame."""
        return encode(self).decode()


class ErrorEvent(ServerEvent, frozen=True, kw_only=True, tag="error"):
    """A refusal, or a fault."""

    error: Problem


class SessionCreated(ServerEvent, frozen=True, kw_only=True, tag="session.created"):
    """The first event."""

    session: dict[str, Any]


class SessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="session.updated"):
    """The configuration in force."""

    session: dict[str, Any]


class BetaSessionUpdated(ServerEvent, frozen=True, kw_only=True, tag="transcription_session.updated"):
    """The configuration in force, for clients of the shape before."""

    session: dict[str, Any]


class SpeechStarted(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """Of the item to come; milliseconds of all audio."""

    item_id: str
    audio_start_ms: int


class SpeechStopped(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """Milliseconds of all audio."""

    item_id: str
    audio_end_ms: int


class Committed(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """The audio of an item is complete."""

    item_id: str
    previous_item_id: str | None


class Cleared(ServerEvent, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """What was not committed is forgotten."""


class Content(msgspec.Struct, frozen=True, kw_only=True, tag="input_audio"):
    """The only content of an item."""

    transcript: str | None = None


class ItemBody(msgspec.Struct, frozen=True, kw_only=True, tag="message"):
    """An item."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: Literal["completed", "incomplete"] = "completed"
    role: Literal["user"] = "user"
    content: tuple[Content, ...] = (Content(),)


class ItemAdded(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.added"):
    """There is an item."""

    previous_item_id: str | None
    item: ItemBody


class ItemCreated(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.created"):
    """There is an item, for clients of the shape before."""

    previous_item_id: str | None
    item: ItemBody


class ItemDone(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    """Nothing of the item will change."""

    previous_item_id: str | None
    item: ItemBody


class Delta(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.delta"):
    """More words of an item."""

    item_id: str
    content_index: int = 0
    delta: str


class Duration(msgspec.Struct, frozen=True, kw_only=True, tag="duration"):
    """Audio that was transcribed."""

    seconds: float


class LogProb(msgspec.Struct, frozen=True, kw_only=True):
    """A word, and the natural logarithm of its probability."""

    token: str
    bytes: tuple[int, ...]
    logprob: float


class Completed(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.completed"):
    """The words of an item."""

    item_id: str
    content_index: int = 0
    transcript: str
    usage: Duration
    logprobs: tuple[LogProb, ...] | None = None


class Failed(ServerEvent, frozen=True, kw_only=True, tag="conversation.item.input_audio_transcription.failed"):
    """An item has no transcript."""

    item_id: str
    content_index: int = 0
    error: Problem
