"""What the subtitles show at a moment: a line for each language, settled text and what may still change. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final as Constant

from speechpipe_client import Event, Final, Opened, Partial, Problem, Translation
from speechpipe_client.desktop.spacing import UNSPACED

KEPT_SEGMENTS: Constant = 6
"""More than two lines hold, however short the sentences are."""


@dataclass(frozen=True, slots=True)
class Line:
    """Text in one language; ``solid`` will not change any more, or not before its final, ``faint`` may."""

    language: str
    solid: str
    faint: str = ""

    @property
    def text(self) -> str:
        """All of it."""
        return self.solid + self.faint


@dataclass(slots=True)
class _Segment:
    solid: str = ""
    faint: str = ""
    language: str = ""
    is_final: bool = False
    translations: dict[str, tuple[str, bool]] = field(default_factory=dict)
    """Text by language, and whether it is final."""


class Captions:
    """Follows a session's events; a line goes when nobody has spoken for ``hold_seconds``."""

    def __init__(self, targets: Sequence[str] = (), hold_seconds: float = 8.0) -> None:
        self.targets = tuple(targets)
        self._hold = hold_seconds
        self._segments: dict[str, _Segment] = {}
        self._changed_at = 0.0

    def take(self, event: Event, now: float) -> None:
        """Take an event of the session into account; ``now`` in seconds of any clock that does not go back."""
        self._changed_at = now
        match event:
            case Opened():
                self._segments.clear()
            case Partial():
                self._partial(event)
            case Final():
                segment = self._segment(event.segment_id)
                segment.solid, segment.faint, segment.is_final = event.text.strip(), "", True
                segment.language = event.language
            case Translation():
                segment = self._segment(event.segment_id)
                if event.is_final or not segment.translations.get(event.language, ("", False))[1]:
                    segment.translations[event.language] = event.text.strip(), event.is_final
            case Problem(segment_id=str() as failed, language=None):
                self._segments.pop(failed, None)

    def lines(self, now: float) -> list[Line]:
        """The spoken language's line, then one for each target; none when all is old."""
        if now - self._changed_at > self._hold or not self._segments:
            return []
        spoken = self._spoken()
        return [spoken, *(self._translated(target) for target in self.targets if target != spoken.language)]

    def _segment(self, name: str) -> _Segment:
        segment = self._segments.setdefault(name, _Segment())
        while len(self._segments) > KEPT_SEGMENTS:
            del self._segments[next(iter(self._segments))]
        return segment

    def _partial(self, event: Partial) -> None:
        segment = self._segment(event.segment_id)
        if not segment.is_final:
            segment.solid, segment.faint, segment.language = event.committed, event.tail, event.language

    def _spoken(self) -> Line:
        language = next((s.language for s in reversed(self._segments.values()) if s.language), "")
        return _gather(language, [(s.solid, s.faint) for s in self._segments.values()])

    def _translated(self, target: str) -> Line:
        said = [s.translations.get(target, ("", True)) for s in self._segments.values()]
        return _gather(target, [(text, "") if is_final else ("", text) for text, is_final in said])


def _gather(language: str, parts: Sequence[tuple[str, str]]) -> Line:
    """One line of all segments: from the first text that may change on, everything is faint."""
    gap = "" if language in UNSPACED else " "
    solid = faint = ""
    for settled, open_ in parts:
        for text, is_settled in ((settled, True), (open_, False)):
            if not text.strip():
                continue
            begun = bool(solid or faint)
            joined = text if not begun or (not is_settled and settled) else gap + text.lstrip()
            if is_settled and not faint:
                solid += joined
            else:
                faint += joined
    return Line(language, solid.lstrip(), faint if solid else faint.lstrip())
