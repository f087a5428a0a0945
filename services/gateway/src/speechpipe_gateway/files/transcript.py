"""What a session heard of a file, in order, and how each response format writes it. Pure."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from speechpipe_common.languages import UnknownLanguage, resolve
from speechpipe_common.subtitles import UNSPACED, Cue, caption_cues, srt, translation_cues, vtt
from speechpipe_common.wire import FinalCaption, WireWord
from speechpipe_gateway.files.asking import Ask

ENGLISH: Final = "en"
_SEEK_PER_SECOND: Final = 100
"""Whisper counts in frames of 10 ms."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A final, and its text in the language that was asked for."""

    caption: FinalCaption
    text: str
    language: str

    @property
    def start(self) -> float:
        """Seconds; where its first word begins, if that is known."""
        return self.caption.words[0].start if self.caption.words else self.caption.start

    @property
    def end(self) -> float:
        """Seconds."""
        return self.caption.words[-1].end if self.caption.words else self.caption.end

    @property
    def glue(self) -> str:
        """What stands between it and the piece before."""
        return "" if self.language in UNSPACED else " "


def full_text(pieces: Sequence[Piece]) -> str:
    """Everything that was said."""
    return "".join(piece.glue + piece.text for piece in pieces).strip()


def write(ask: Ask, pieces: Sequence[Piece], seconds: float) -> tuple[bytes, str]:
    """The answer and its content type.

    Args:
        ask: what the client wants.
        pieces: in the order in which they were said, none without text.
        seconds: length of the file's audio.
    """
    match ask.form:
        case "text":
            return f"{full_text(pieces)}\n".encode(), "text/plain; charset=utf-8"
        case "srt":
            return srt(_cues(ask, pieces)).encode(), "application/x-subrip; charset=utf-8"
        case "vtt":
            return vtt(_cues(ask, pieces)).encode(), "text/vtt; charset=utf-8"
        case "json":
            return _encode({"text": full_text(pieces), "usage": _usage(seconds)})
        case "verbose_json":
            return _encode(_verbose(ask, pieces, seconds))


def delta(piece: Piece, *, first: bool) -> bytes:
    """The event by which a piece is streamed; what all of them carry together is the text of :func:`done`."""
    said = piece.text if first else piece.glue + piece.text
    return event({"type": "transcript.text.delta", "delta": said})


def done(pieces: Sequence[Piece], seconds: float) -> bytes:
    """The event that ends a stream."""
    return event({"type": "transcript.text.done", "text": full_text(pieces), "usage": _usage(seconds)})


def event(content: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(content) + b"\n\n"


def _encode(content: dict[str, Any]) -> tuple[bytes, str]:
    return msgspec.json.encode(content), "application/json"


def _usage(seconds: float) -> dict[str, Any]:
    return {"type": "duration", "seconds": math.ceil(seconds)}


def _cues(ask: Ask, pieces: Sequence[Piece]) -> list[Cue]:
    if ask.task == "transcribe":
        return [cue for piece in pieces for cue in caption_cues(piece.caption)]
    return [cue for piece in pieces for cue in translation_cues(piece.caption, piece.text, piece.language)]


def _verbose(ask: Ask, pieces: Sequence[Piece], seconds: float) -> dict[str, Any]:
    content: dict[str, Any] = {
        "task": ask.task,
        "language": _language(ask, pieces),
        "duration": round(seconds, 3),
        "text": full_text(pieces),
        "usage": _usage(seconds),
    }
    if ask.segments:
        content["segments"] = [_segment(number, piece) for number, piece in enumerate(pieces)]
    if ask.words:
        content["words"] = [_word(word) for piece in pieces for word in piece.caption.words if word.text.strip()]
    return content


def _language(ask: Ask, pieces: Sequence[Piece]) -> str:
    """English name, in lower case, of what was said for the longest time; of a translation, what it is in."""
    spoken: dict[str, float] = {}
    for piece in pieces:
        spoken[piece.caption.language] = spoken.get(piece.caption.language, 0.0) + piece.end - piece.start
    code = ENGLISH if ask.task == "translate" else max(spoken, key=spoken.__getitem__, default=ask.language)
    try:
        return resolve(code or "").name.lower()
    except UnknownLanguage:
        return code or "unknown"


def _segment(number: int, piece: Piece) -> dict[str, Any]:
    chances = [max(word.probability, 1e-6) for word in piece.caption.words]
    raw = piece.text.encode()
    return {
        "id": number,
        "seek": round(piece.caption.start * _SEEK_PER_SECOND),
        "start": round(piece.start, 3),
        "end": round(piece.end, 3),
        "text": piece.glue + piece.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(map(math.log, chances)) / len(chances), 4) if chances else 0.0,
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 4) if raw else 0.0,
        "no_speech_prob": 0.0,
    }


def _word(word: WireWord) -> dict[str, Any]:
    return {"word": word.text.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
