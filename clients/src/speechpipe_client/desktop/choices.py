"""Languages to choose from, as people call them. Pure."""

from collections.abc import Sequence
from functools import cache
from typing import Final

from speechpipe_common.languages import UnknownLanguage, all_languages, resolve

AUTO: Final = "auto"
AUTO_NAME: Final = "Detect the language"
COMMON: Final = ("en", "es", "fr", "de", "it", "pt", "ja", "zh")
"""Offered until somebody has chosen others."""
_SHOWN: Final = 10


@cache
def spoken() -> tuple[tuple[str, str], ...]:
    """Code and name of each language that can be transcribed, by name, after automatic detection."""
    named = sorted((language.name, language.code) for language in all_languages() if language.whisper)
    return (AUTO, AUTO_NAME), *((code, name) for name, code in named)


@cache
def written() -> tuple[tuple[str, str], ...]:
    """Code and name of each language that may be translated into, by name."""
    return tuple((code, name) for name, code in sorted((language.name, language.code) for language in all_languages()))


def name_of(code: str) -> str:
    """A language's name; the code itself where nobody knows it."""
    if code == AUTO:
        return AUTO_NAME
    try:
        return resolve(code).name
    except UnknownLanguage:
        return code


def language_choices(current: Sequence[str], recent: Sequence[str]) -> list[str]:
    """Codes that the menu offers: those in use, those used before, and some common ones."""
    return list(dict.fromkeys((*current, *recent, *COMMON)))[:_SHOWN]
