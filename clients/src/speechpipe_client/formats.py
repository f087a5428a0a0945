"""Writes a transcript as text, JSON, SRT or WebVTT. Pure."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from speechpipe_client.segment import Segment
from speechpipe_common.subtitles import Cue, caption_cues, srt, translation_cues, vtt
from speechpipe_common.wire import WireWord


class Format(StrEnum):
    """Output formats of ``speechpipe transcribe``."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"

    @property
    def suffix(self) -> str:
        """File name suffix, dot included."""
        return ".txt" if self is Format.TEXT else f".{self.value}"


class _JsonSegment(msgspec.Struct, frozen=True, kw_only=True):
    start: float
    end: float
    text: str
    language: str
    words: tuple[WireWord, ...]
    translations: dict[str, str]


class _JsonDocument(msgspec.Struct, frozen=True, kw_only=True):
    file: str
    text: str
    segments: list[_JsonSegment]


def render(segments: Sequence[Segment], form: Format, *, name: str = "", target: str | None = None) -> str:
    """The transcript in one format, with a newline at its end.

    Args:
        segments: finals in order.
        form: which format.
        name: the source's name, for JSON.
        target: language whose translation the subtitles show; None for what was said. Text and JSON hold both.
    """
    match form:
        case Format.TEXT:
            return "".join(f"{line}\n" for segment in segments for line in _text_lines(segment))
        case Format.JSON:
            return _json(segments, name)
        case Format.SRT:
            return srt(_cues(segments, target))
        case Format.VTT:
            return vtt(_cues(segments, target))


def _text_lines(segment: Segment) -> list[str]:
    translations = [f"  [{language}] {text.strip()}" for language, text in sorted(segment.translations.items())]
    return [segment.caption.text.strip(), *translations]


def _json(segments: Sequence[Segment], name: str) -> str:
    document = _JsonDocument(
        file=name,
        text=" ".join(segment.caption.text.strip() for segment in segments),
        segments=[
            _JsonSegment(
                start=segment.caption.start,
                end=segment.caption.end,
                text=segment.caption.text.strip(),
                language=segment.caption.language,
                words=segment.caption.words,
                translations=segment.translations,
            )
            for segment in segments
        ],
    )
    return msgspec.json.encode(document).decode() + "\n"


def _cues(segments: Sequence[Segment], target: str | None) -> list[Cue]:
    if target is None:
        return [cue for segment in segments for cue in caption_cues(segment.caption)]
    return [
        cue
        for segment in segments
        for cue in translation_cues(segment.caption, segment.translations.get(target, ""), target)
    ]
