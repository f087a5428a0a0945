"""Which part of a growing caption can be trusted: LocalAgreement-2.

A token is committed once two partials in a row agree on it and on all before it (Macháček, Dabre and Bojar, "Turning
Whisper into Real-Time Transcription System", 2023). Committed text never changes until the final replaces it.
"""

import unicodedata
from dataclasses import dataclass
from typing import Final

UNSPACED: Final = frozenset({"zh", "ja", "th", "yue", "lo", "my", "km"})
"""Languages written without spaces: their tokens are characters."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A partial as shown: ``committed`` only grows, ``tail`` may change."""

    committed: str
    tail: str

    @property
    def text(self) -> str:
        """The whole caption."""
        return self.committed + self.tail


class Stabiliser:
    """LocalAgreement-2 over the partials of one segment."""

    def __init__(self) -> None:
        self._previous: list[str] = []
        self._previous_end = 0
        self._committed: list[str] = []
        self.committed_until = 0
        """No committed word ends after this session offset: the end of the earlier partial that held it."""

    @property
    def settled(self) -> int:
        """How many tokens are committed."""
        return len(self._committed)

    def update(self, text: str, language: str, end: int) -> Caption:
        """Take the text of a partial over audio up to ``end``.

        Returns:
            What to show. A partial that contradicts committed text changes only what follows it.
        """
        tokens = tokens_of(text, language)
        keys, before = [key_of(t) for t in tokens], [key_of(t) for t in self._previous]
        settled = len(self._committed)
        agreed = 0
        while agreed < min(len(keys), len(before)) and keys[agreed] == before[agreed]:
            agreed += 1
        if agreed > settled and all(key_of(c) == k for c, k in zip(self._committed, keys, strict=False)):
            self._committed += tokens[settled:agreed]
            self.committed_until = self._previous_end
        self._previous, self._previous_end = tokens, end
        return Caption("".join(self._committed), "".join(tokens[len(self._committed) :]))


def tokens_of(text: str, language: str) -> list[str]:
    """Tokens whose concatenation is the text: words with the space before them, or characters."""
    stripped = " ".join(text.split())
    if language in UNSPACED:
        return list(stripped)
    words = stripped.split(" ") if stripped else []
    return [word if i == 0 else " " + word for i, word in enumerate(words)]


def key_of(token: str) -> str:
    """A token without case and punctuation, which flicker between partials; punctuation alone stays itself."""
    folded = unicodedata.normalize("NFKC", token).casefold().strip()
    bare = "".join(c for c in folded if not unicodedata.category(c).startswith("P"))
    return bare or folded
