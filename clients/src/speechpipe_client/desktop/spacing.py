"""How what is dictated follows what was dictated before: with a space, or without. Pure."""

import unicodedata
from typing import Final

UNSPACED: Final = frozenset({"zh", "ja", "th", "lo", "my", "km", "bo", "yue", "zh-hant"})
"""Languages written without spaces between sentences (Unicode Standard Annex 14, class SA, and Han and Kana)."""

_CLINGING: Final = frozenset(",.;:!?%…")
_CLOSING: Final = frozenset({"Pe", "Pf"})
"""Marks, and general categories of Unicode (closing brackets and quotes), that belong to the word before them."""


def clean(text: str) -> str:
    """The text in one line: anything that would press Enter, Tab or another control key becomes a space."""
    printable = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    return " ".join(printable.split(" ")).strip()


class Spacing:
    """Remembers where the last piece went, so that the next one can join it."""

    def __init__(self) -> None:
        self._place: object = None
        self._begun = False

    def join(self, text: str, language: str, place: object = None) -> str:
        """What to type for a final, with a space before it where it follows another one.

        Args:
            text: the final's text; empty when nothing is left to type.
            language: of the text.
            place: the window it goes to, None where that is unknown. In another window nothing goes before.
        """
        said = clean(text)
        if not said:
            return ""
        follows = self._begun and place == self._place
        self._place, self._begun = place, True
        clings = said[0] in _CLINGING or unicodedata.category(said[0]) in _CLOSING
        return f" {said}" if follows and not clings and language not in UNSPACED else said
