"""Whether keys can type a text, by the keyboard's own map. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LATIN_1: Final = range(0x20, 0x100)
_UNICODE: Final = 0x0100_0000


def keysym_char(keysym: int) -> str:
    """The character of an X keysym (X11 protocol, appendix A: Latin-1 stands for itself, others from 0x01000000 on)."""
    if keysym in _LATIN_1:
        return chr(keysym)
    return chr(keysym - _UNICODE) if _UNICODE < keysym < _UNICODE + 0x11_0000 else ""


@dataclass(frozen=True, slots=True)
class KeyboardMap:
    """Keysyms of every key as X11 hands them out: plain, with Shift, then the same two of a second group if any."""

    keys: Sequence[Sequence[int]]
    locked: bool = False
    """Caps Lock is on: letters would come out in the other case."""

    def types(self, text: str) -> bool:
        """Whether every character has a key of its own, with Shift or without.

        Never with a second group: which of two layouts is on cannot be seen from here, and it decides what a key types.
        """
        if self.locked or self._has_second_group():
            return False
        typable = {keysym_char(keysym) for row in self.keys for keysym in row[:2]}
        return all(char in typable for char in text)

    def _has_second_group(self) -> bool:
        return any(
            set(row[2:4]) - {0} and list(row[2:4]) != list(row[:2])
            for row in self.keys
            if any(keysym_char(keysym).isalpha() for keysym in row[:2])
        )
