"""Error rates of transcripts, normalised as Whisper's authors do. Pure."""

from functools import cache
from typing import Final

import jiwer
from text_to_num import alpha2digit  # type: ignore[import-untyped]
from whisper_normalizer.basic import BasicTextNormalizer
from whisper_normalizer.english import EnglishTextNormalizer

BY_CHARACTER: Final = frozenset({"zh", "ja", "th"})
"""Languages written without spaces: their error rate counts characters."""

_NUMBER_WORDS: Final = frozenset({"en", "es", "fr", "pt", "it", "de", "ca", "nl", "ru"})
"""Languages in which text2num knows number words; Whisper writes digits where people read words."""


def normalise(text: str, language: str) -> list[str]:
    """Tokens for comparison: words without case, punctuation or number words; characters where no spaces are."""
    if language in _NUMBER_WORDS:
        text = alpha2digit(text, language, 0)
    plain = _normaliser(language == "en")(text)
    return [character for character in plain if not character.isspace()] if language in BY_CHARACTER else plain.split()


def error_rate(reference: str, heard: str, language: str) -> float:
    """Word error rate (character error rate for languages without spaces); 1.0 is everything wrong or missing.

    Raises:
        ValueError: the reference has no words.
    """
    expected = normalise(reference, language)
    if not expected:
        raise ValueError(f"no words in the reference {reference!r}")
    return float(jiwer.wer(" ".join(expected), " ".join(normalise(heard, language))))


def similar(word: str, other: str) -> bool:
    """Whether two words share at least half of their characters in place: misspelt, but the same sound."""
    return word == other or float(jiwer.cer(word, other)) <= 0.5


@cache
def _normaliser(english: bool) -> BasicTextNormalizer | EnglishTextNormalizer:
    return EnglishTextNormalizer() if english else BasicTextNormalizer()
