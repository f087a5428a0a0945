"""Writes a transcript as text, JSON, SRT or WebVTT. Pure."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from speechpipe_client.cues import Cue, caption_cues, text_cues
from speechpipe_client.transcript import Segment
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
            return "".join(_srt_cue(number, cue) for number, cue in enumerate(_cues(segments, target), 1))
        case Format.VTT:
            return "WEBVTT\n\n" + "".join(_vtt_cue(cue) for cue in _cues(segments, target))


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
    cues: list[Cue] = []
    for segment in segments:
        caption = segment.caption
        if target is None:
            cues += caption_cues(caption)
        else:
            begin = caption.words[0].start if caption.words else caption.start
            end = caption.words[-1].end if caption.words else caption.end
            cues += text_cues(segment.translations.get(target, ""), target, begin, end)
    return cues


def _srt_cue(number: int, cue: Cue) -> str:
    lines = "\n".join(cue.lines)
    return f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{lines}\n\n"


def _vtt_cue(cue: Cue) -> str:
    # WebVTT §4.1: "&" and "<" begin escapes and tags in cue text, and "-->" may not occur in it.
    lines = "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
    return f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{lines}\n\n"


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
