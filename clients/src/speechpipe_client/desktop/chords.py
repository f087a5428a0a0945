"""Key combinations: when one is held, when it is let go. Pure: keys are any hashable values, the clock is passed in."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final

RELEASE_SECONDS: Final = 0.06
"""A held key that repeats looks on X11 like one that is let go and pressed at once; a person takes longer."""

_NAMES: Final = {
    "meta": "cmd",
    "super": "cmd",
    "win": "cmd",
    "return": "enter",
    "escape": "esc",
    "pgup": "page_up",
    "pgdown": "page_down",
    "ins": "insert",
    "del": "delete",
    "scrolllock": "scroll_lock",
}
"""Names of keys as Qt and people have them, where pynput has others."""


class BadChord(ValueError):
    """A text names no key combination."""


def pynput_name(chord: str) -> str:
    """``Ctrl+Alt+Space``, as people and Qt write it, in pynput's own notation: ``<ctrl>+<alt>+<space>``.

    Raises:
        BadChord: it is empty, or a part of it is.
    """
    parts = [part.strip().lower() for part in chord.split("+")]
    if not all(parts):
        raise BadChord(f"{chord!r} is no key combination: write it like Ctrl+Alt+Space")
    return "+".join(part if len(part) == 1 else f"<{_NAMES.get(part, part)}>" for part in parts)


@dataclass(slots=True)
class Chord:
    """One combination, with all keys that are held while it is watched."""

    keys: frozenset[Hashable]
    _held: set[Hashable] = field(default_factory=set)
    _let_go_at: float | None = None
    active: bool = False

    def pressed(self, key: Hashable) -> bool:
        """A key went down; True when that completes the combination, False while it is held on."""
        self._held.add(key)
        if not self.keys <= self._held:
            return False
        self._let_go_at = None
        began, self.active = not self.active, True
        return began

    def released(self, key: Hashable, now: float) -> bool:
        """A key went up; True when the combination may be over by that, which ``ended`` says a moment later."""
        self._held.discard(key)
        if not (self.active and key in self.keys):
            return False
        self._let_go_at = now
        return True

    def ended(self, now: float) -> bool:
        """True once when it was let go for good: a key that repeats is a single one, and pressed again at once."""
        if self._let_go_at is None:
            return False
        if len(self.keys - self._held) == 1 and now - self._let_go_at < RELEASE_SECONDS:
            return False
        self._let_go_at, self.active = None, False
        return True
