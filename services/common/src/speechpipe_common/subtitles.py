"""Subtitles of finals: cues of at most two lines of 42 characters, which can be read, and SRT and WebVTT of them. Pure.

The figures are those of the BBC's and Netflix's subtitle guidelines (two lines, 37 to 42 characters, at least 5/6 s).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from speechpipe_common.wire import FinalCaption

LINE_CHARACTERS: Final = 42
LINES: Final = 2
SHORTEST_SECONDS: Final = 5 / 6
_PAUSE_SECONDS: Final = 1.0
_SENTENCE_END: Final = (".", "!", "?", "。", "！", "？")  # noqa: RUF001 - the full-width signs are meant
_CLAUSE_END: Final = (*_SENTENCE_END, ",", ";", ":", "，", "、")  # noqa: RUF001 - the full-width signs are meant
_CARRIED_WORDS: Final = 3
UNSPACED: Final = frozenset({"zh", "ja", "th", "yue", "lo", "km", "my"})
"""Languages that are written without spaces between words."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A subtitle: seconds from the start of the audio, and one or two lines."""

    start: float
    end: float
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    """A word with its times, and what stands before it when it does not begin a line."""

    text: str
    start: float
    end: float
    glue: str


WEBVTT: Final = "WEBVTT\n\n"
"""How a WebVTT file begins."""


def srt(cues: Iterable[Cue]) -> str:
    """An SRT file."""
    return "".join(srt_cue(number, cue) for number, cue in enumerate(cues, 1))


def vtt(cues: Iterable[Cue]) -> str:
    """A WebVTT file."""
    return WEBVTT + "".join(map(vtt_cue, cues))


def srt_cue(number: int, cue: Cue) -> str:
    """One cue of an SRT file, numbered from 1, with the empty line that ends it."""
    lines = "\n".join(cue.lines)
    return f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{lines}\n\n"


def vtt_cue(cue: Cue) -> str:
    """One cue of a WebVTT file, with the empty line that ends it."""
    # WebVTT §4.1: "&" and "<" begin escapes and tags in cue text, and "-->" may not occur in it.
    lines = "\n".join(line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for line in cue.lines)
    return f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n{lines}\n\n"


def caption_cues(caption: FinalCaption) -> list[Cue]:
    """Cues of a final, with the times of its words; of the whole segment, by length, when it has no words."""
    tokens = _spoken(caption)
    if not tokens:
        return text_cues(caption.text, caption.language, caption.start, caption.end)
    return _cues(tokens)


def _spoken(caption: FinalCaption) -> list[_Token]:
    """A final's words; what its text writes as one, as in "ill-disposed", is one."""
    tokens: list[_Token] = []
    spaced, reached, follows = caption.language not in UNSPACED, 0, False
    for word in caption.words:
        said = word.text.strip()
        if not said:
            continue
        found = caption.text.find(said, reached)
        if spaced and follows and found == reached:
            before = tokens.pop()
            tokens.append(_Token(before.text + said, before.start, word.end, before.glue))
        else:
            tokens.append(_Token(said, word.start, word.end, " " if spaced else ""))
        # A word whose case or point was changed, where finals were stitched, is not found as it is.
        follows = found >= 0
        reached = found + len(said) if follows else reached
    return tokens


def translation_cues(caption: FinalCaption, text: str, language: str) -> list[Cue]:
    """Cues of a final's translation, shown while its words are said."""
    begin = caption.words[0].start if caption.words else caption.start
    end = caption.words[-1].end if caption.words else caption.end
    return text_cues(text, language, begin, end)


def text_cues(text: str, language: str, start: float, end: float) -> list[Cue]:
    """Cues of a text without word times (a translation): time is shared out by characters."""
    pieces = list(" ".join(text.split())) if language in UNSPACED else text.split()
    glue = "" if language in UNSPACED else " "
    total = sum(map(len, pieces))
    if total == 0:
        return []
    tokens, spoken = [], 0
    for piece in pieces:
        begin, spoken = spoken, spoken + len(piece)
        span = end - start
        tokens.append(_Token(piece, start + span * begin / total, start + span * spoken / total, glue))
    return _cues(tokens)


def _cues(tokens: Sequence[_Token]) -> list[Cue]:
    groups: list[list[_Token]] = [[]]
    for token in tokens:
        group = groups[-1]
        if group and (_pauses(group, token) or _sentence_fills(group)):
            groups.append([])
        elif len(_fill([*group, token], LINE_CHARACTERS)) > LINES:
            groups.append(_carry(group))
        groups[-1].append(token)
    cues = [Cue(group[0].start, group[-1].end, _wrap(group)) for group in groups]
    return _readable(cues)


def _pauses(group: Sequence[_Token], token: _Token) -> bool:
    return token.start - group[-1].end >= _PAUSE_SECONDS


def _sentence_fills(group: Sequence[_Token]) -> bool:
    """A sentence that needed two lines: a better place to break than wherever the second line fills up."""
    return group[-1].text.endswith(_SENTENCE_END) and len(_fill(group, LINE_CHARACTERS)) == LINES


def _carry(group: list[_Token]) -> list[_Token]:
    """Move the words after a clause's end to the next cue, when they are few."""
    for count in range(1, min(_CARRIED_WORDS, len(group) - 1) + 1):
        if group[-count - 1].text.endswith(_CLAUSE_END):
            carried = group[-count:]
            del group[-count:]
            return carried
    return []


def _wrap(group: Sequence[_Token]) -> tuple[str, ...]:
    """Lines as even as they can be without being more than greedy filling needs."""
    needed = _fill(group, LINE_CHARACTERS)
    if len(needed) != LINES:
        return needed
    widest = max(map(len, needed))
    for width in range(sum(map(len, needed)) // LINES, widest):
        balanced = _fill(group, width)
        if len(balanced) == LINES and max(map(len, balanced)) <= LINE_CHARACTERS:
            return balanced
    return needed


def _fill(group: Sequence[_Token], width: int) -> tuple[str, ...]:
    lines: list[str] = []
    for token in group:
        joined = f"{lines[-1]}{token.glue}{token.text}" if lines else token.text
        if lines and len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(token.text)
    return tuple(lines)


def _readable(cues: Sequence[Cue]) -> list[Cue]:
    """Stretch cues that are too short to read, as far as the next one lets them."""
    if not cues:
        return []
    stretched = [
        Cue(cue.start, min(max(cue.end, cue.start + SHORTEST_SECONDS), max(cue.end, following.start)), cue.lines)
        for cue, following in pairwise(cues)
    ]
    last = cues[-1]
    return [*stretched, Cue(last.start, max(last.end, last.start + SHORTEST_SECONDS), last.lines)]


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(0.0, seconds) * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
