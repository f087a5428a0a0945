"""What services say to each other through Redis: jobs, results, and the session's records. Versioned, strict.

Offsets are in samples of session audio (16 kHz mono) counted from the start of the session. A *turn* is audio from
onset (pre-speech included) to endpoint; a *segment* is a range of a turn that becomes one final, and its id is the
offset of its first sample.
"""

from typing import Final, Literal, TypeVar

import msgspec

WIRE_VERSION: Final = 1
"""Raised when a job or result changes in a way that an older reader would misunderstand."""

JobKind = Literal["partial", "candidate", "final"]


def _version() -> int:
    """The version field: written always, while other fields are left out where they have their default."""
    return msgspec.field(default_factory=lambda: WIRE_VERSION)


class MessageError(ValueError):
    """A message from a stream or channel is malformed or of an unknown version."""


class AudioJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Decode samples ``[start, end)`` of ``turn``; entry of ``audio_jobs`` (or its partial stream)."""

    v: int = _version()
    client: str
    epoch: int
    segment: int
    rev: int
    kind: JobKind
    turn: int
    start: int
    end: int
    language: str | None = None
    """Spoken language, or None: detect it."""
    targets: tuple[str, ...] = ()
    """Languages to translate the final into."""
    prompt: str = ""
    hotwords: str = ""
    words: bool = True
    """Whether the times of words are wanted."""
    submitted_at: float
    """Unix seconds, the gateway's clock."""
    expires_at: float | None = None
    """Partials: unix seconds after which nobody wants the answer."""


class TextJob(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Translate ``text`` into one language; entry of ``transcriptions`` (or its partial stream)."""

    v: int = _version()
    client: str
    segment: int
    rev: int
    final: bool
    text: str
    source: str
    target: str
    submitted_at: float
    expires_at: float | None = None


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """A word with its times, in seconds from the start of the session."""

    text: str
    start: float
    end: float
    probability: float


class Transcript(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="transcript", forbid_unknown_fields=True
):
    """What was heard in a segment. ``text`` is empty when there was no speech."""

    v: int = _version()
    segment: int
    rev: int
    kind: JobKind
    start: int
    end: int
    text: str
    language: str
    language_probability: float
    words: tuple[Word, ...] = ()
    processing_time: float
    """Seconds of decoding."""


class Translated(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="translation", forbid_unknown_fields=True
):
    """A segment's text in another language."""

    v: int = _version()
    segment: int
    rev: int
    final: bool
    text: str
    source: str
    language: str
    processing_time: float


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="failure", forbid_unknown_fields=True):
    """A segment (or its translation into ``language``) could not be done.

    ``retry`` is True when only the attempt failed (``audio_missing``: the gateway mends the audio and submits again)
    and False when this is the last word (a dead letter, a pair that no engine has).
    """

    v: int = _version()
    segment: int
    rev: int
    code: str
    message: str
    retry: bool
    language: str = ""
    """Target language of the failed translation; empty for the transcript itself."""


Result = Transcript | Translated | Failure


class Delivery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A result as a gateway gets it, live from the channel or replayed from the stream."""

    id: str = ""
    """Entry id in the replay stream; empty for what is published only (partials)."""
    jobs: dict[str, str] = msgspec.field(default_factory=dict)
    """Target language to the entry id of the translation job that the commit made."""
    body: Result


class TakeoverNotice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Published on a client's channel when a gateway takes the session over; the one with a lower epoch lets go."""

    epoch: int


class SegmentRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A segment without a committed final, as kept in ``segments:{client}`` for whoever takes the session over."""

    turn: int
    start: int
    end: int | None
    """None while the segment is still growing."""
    rev: int
    language: str | None
    targets: tuple[str, ...]
    prompt: str = ""
    hotwords: str = ""
    words: bool = True


_T = TypeVar("_T", AudioJob, TextJob, Delivery, TakeoverNotice, SegmentRecord)

_encoder = msgspec.json.Encoder()


def encode(message: msgspec.Struct) -> bytes:
    """JSON bytes of a message."""
    return _encoder.encode(message)


def decode(raw: bytes | str, kind: type[_T]) -> _T:
    """Read a message of the given type.

    Raises:
        MessageError: not JSON, not of this type, or of another version.
    """
    try:
        message = msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"not a {kind.__name__}: {error}") from error
    version = message.body.v if isinstance(message, Delivery) else getattr(message, "v", WIRE_VERSION)
    if version != WIRE_VERSION:
        raise MessageError(f"{kind.__name__} has version {version}, this process reads {WIRE_VERSION}")
    return message
