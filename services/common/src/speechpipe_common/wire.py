"""The native WebSocket protocol: what a client and a gateway say on ``/ws``.

Text frames are JSON objects with a ``type``; binary frames are audio in the format that ``start`` declared.
Offsets on the wire are frames of the client's own audio (samples per channel at its declared rate), so that a
client can map them to its buffer without knowing the server's rate.
"""

from typing import Final, Literal

import msgspec

SampleFormat = Literal["s16", "f32", "mulaw", "alaw", "wav", "webm", "ogg", "opus", "legacy"]

CLOSE_DONE: Final = 1000
CLOSE_RESTART: Final = 1012
CLOSE_AUTH: Final = 1008
CLOSE_TOO_BIG: Final = 1009
CLOSE_SERVER: Final = 1011
CLOSE_FULL: Final = 1013
CLOSE_BAD_MESSAGE: Final = 4400
CLOSE_TAKEN_OVER: Final = 4409
CLOSE_IDLE: Final = 4408


# --- client to server ---------------------------------------------------------------------------------------------


class Auth(msgspec.Struct, frozen=True, kw_only=True, tag="auth", forbid_unknown_fields=True):
    """First message of a client that could not send an ``Authorization`` header (a browser)."""

    token: str


class SetLangs(msgspec.Struct, frozen=True, kw_only=True, tag="set_langs", forbid_unknown_fields=True):
    """Languages from the next segment on. ``source_language`` "auto" detects; no target means no translation."""

    source_language: str = "auto"
    target_language: str | None = None
    target_languages: tuple[str, ...] = ()


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", forbid_unknown_fields=True):
    """Declares the audio that follows and the session's options; answered by ``ready``."""

    sample_rate: int = 16_000
    channels: int = 1
    format: SampleFormat = "s16"
    """``wav``: the first binary frame begins with a WAV header, which then decides rate and channels."""
    silence_threshold_seconds: float | None = None
    partials: bool = True
    prompt: str = ""
    hotwords: str = ""
    words: bool = True
    """Whether finals tell the times of their words; where a language is given, they are decoded faster without."""


class Resume(msgspec.Struct, frozen=True, kw_only=True, tag="resume", forbid_unknown_fields=True):
    """Takes a session over on this connection; answered by ``ready`` with a new token and the offset to send from."""

    session_id: str
    token: str
    cursor: str = "0-0"
    """The ``cursor`` of the last message received; what came after it is replayed."""
    offset: int = 0
    """First frame of which the client still has the audio; the server asks for none before it."""


class Flush(msgspec.Struct, frozen=True, kw_only=True, tag="flush", forbid_unknown_fields=True):
    """Finalise what has been said so far; the session goes on."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop", forbid_unknown_fields=True):
    """No more audio: the server finalises, delivers everything, and closes with 1000."""


class Keepalive(msgspec.Struct, frozen=True, kw_only=True, tag="keepalive", forbid_unknown_fields=True):
    """Nothing to say, still here."""


ClientMessage = Auth | SetLangs | Start | Resume | Flush | Stop | Keepalive


# --- server to client ---------------------------------------------------------------------------------------------


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The session is open; audio may be sent, from frame ``offset`` on."""

    session_id: str
    token: str
    offset: int
    resumed: bool
    sample_rate: int
    channels: int
    format: SampleFormat
    cursor: str
    captions_token: str = ""
    """Opens ``/captions/{session_id}.vtt`` and ``.srt`` to who only reads; the same for the session's whole life."""


class SpeechStarted(msgspec.Struct, frozen=True, kw_only=True, tag="speech_started"):
    """An onset was heard; ``offset`` is where the segment begins (pre-speech included)."""

    segment_id: str
    offset: int


class Realtime(msgspec.Struct, frozen=True, kw_only=True, tag="realtime"):
    """A partial caption. ``text`` is ``committed`` plus ``tail``; ``committed`` only grows until the final."""

    segment_id: str
    rev: int
    text: str
    committed: str
    tail: str
    language: str
    processing_time: float
    translation: str | None = None
    cursor: str


class WireWord(msgspec.Struct, frozen=True, kw_only=True):
    """A word with its times in seconds from the start of the session."""

    text: str
    start: float
    end: float
    probability: float


class FinalCaption(msgspec.Struct, frozen=True, kw_only=True, tag="final"):
    """The segment's caption; nothing about its text comes after this. Empty text: there was no speech after all."""

    segment_id: str
    rev: int
    text: str
    language: str
    start: float
    end: float
    """Seconds from the start of the session."""
    words: tuple[WireWord, ...]
    continues: bool
    """True when the speaker had not paused: the next segment goes on with the same sentence."""
    processing_time: float
    cursor: str


class Translation(msgspec.Struct, frozen=True, kw_only=True, tag="translation"):
    """A segment's text in one target language."""

    segment_id: str
    rev: int
    text: str
    language: str
    is_final: bool
    cursor: str


class AudioAck(msgspec.Struct, frozen=True, kw_only=True, tag="audio_ack"):
    """Audio before frame ``offset`` will never be asked for again."""

    offset: int
    cursor: str


class Error(msgspec.Struct, frozen=True, kw_only=True, tag="error"):
    """Something is wrong; when it ends the connection, a close with the number ``close`` follows."""

    code: str
    message: str
    segment_id: str | None = None
    language: str | None = None
    close: int | None = None
    cursor: str | None = None


ServerMessage = Ready | SpeechStarted | Realtime | FinalCaption | Translation | AudioAck | Error
