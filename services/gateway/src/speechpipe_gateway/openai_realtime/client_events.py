"""What clients say: events, and the two shapes of a session's configuration."""

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType


class _Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: str
    event_id: str | None = None


class SessionUpdate(_Event, frozen=True, kw_only=True):
    """Changes the configuration; what is not named stays."""

    session: dict[str, Any]


class Append(_Event, frozen=True, kw_only=True):
    """More audio."""

    audio: str
    """Base64."""


class Commit(_Event, frozen=True, kw_only=True):
    """What was appended is one item: transcribe it."""


class Clear(_Event, frozen=True, kw_only=True):
    """Forget what was appended and not committed."""


ClientEvent = SessionUpdate | Append | Commit | Clear

EVENTS: Final[dict[str, type[ClientEvent]]] = {
    "session.update": SessionUpdate,
    "transcription_session.update": SessionUpdate,
    "input_audio_buffer.append": Append,
    "input_audio_buffer.commit": Commit,
    "input_audio_buffer.clear": Clear,
}

BETA_UPDATE: Final = "transcription_session.update"

OTHERS: Final = frozenset(
    {
        "conversation.item.create",
        "conversation.item.delete",
        "conversation.item.retrieve",
        "conversation.item.truncate",
        "output_audio_buffer.clear",
        "response.cancel",
        "response.create",
    }
)
"""Events of the protocol that belong to sessions in which a model answers."""


class _Spec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Format(_Spec, frozen=True, kw_only=True):
    """Of the audio."""

    type: str
    rate: int | None = None


class Transcription(_Spec, frozen=True, kw_only=True):
    """How speech becomes text."""

    model: str | UnsetType | None = UNSET
    language: str | UnsetType | None = UNSET
    languages: tuple[str, ...] | None = None
    prompt: str | UnsetType | None = UNSET
    keywords: tuple[str, ...] | UnsetType | None = UNSET
    delay: str | None = None


class TurnDetection(_Spec, frozen=True, kw_only=True):
    """Who decides where an item ends."""

    type: str = "server_vad"
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    idle_timeout_ms: int | None = None


class NoiseReduction(_Spec, frozen=True, kw_only=True):
    """Asked for, never done."""

    type: str | None = None
    strength: float | None = None


class Input(_Spec, frozen=True, kw_only=True):
    """What may be configured, whatever its shape."""

    format: Format | UnsetType = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    noise_reduction: NoiseReduction | UnsetType | None = UNSET


class AudioPart(_Spec, frozen=True, kw_only=True):
    """``session.audio``."""

    input: Input = Input()


class Session(_Spec, frozen=True, kw_only=True):
    """``session`` of ``session.update``."""

    type: str
    audio: AudioPart = AudioPart()
    include: tuple[str, ...] | UnsetType | None = UNSET


class BetaSession(_Spec, frozen=True, kw_only=True):
    """``session`` of ``transcription_session.update``."""

    input_audio_format: str | UnsetType = UNSET
    input_audio_transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET
    input_audio_noise_reduction: NoiseReduction | UnsetType | None = UNSET
    include: tuple[str, ...] | UnsetType | None = UNSET
