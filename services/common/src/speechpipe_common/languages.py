"""Languages by any name a person or a program may use; the table itself is ``languages.json``."""

import difflib
from functools import cache
from importlib import resources
from typing import Final

import msgspec

_SUGGESTION_SIMILARITY: Final = 0.6


class UnknownLanguage(ValueError):
    """No language goes by this code or name."""

    def __init__(self, asked: str, suggestion: str | None) -> None:
        hint = f"did you mean {suggestion!r}?" if suggestion else "use an ISO 639 code such as 'en' or 'pt-BR'"
        super().__init__(f"unknown language {asked[:40]!r}: {hint}")
        self.asked = asked
        self.suggestion = suggestion


class Language(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A language under the one code that Speechpipe uses for it everywhere.

    ``code`` is Whisper's own where Whisper knows the language (so Javanese is ``jw``), else ISO 639-1, else 639-3.
    """

    code: str
    name: str
    """English name."""
    aliases: tuple[str, ...]
    """Other codes (ISO 639-2 and 639-3, regional, withdrawn) and names, in lower case."""
    apertium: tuple[str, ...]
    """Codes that Apertium's data packages use for it, the current form first."""
    opus: tuple[str, ...]
    """Codes in names of OPUS-MT models (``opus-mt-en-jap``), the usual one first."""
    whisper: bool
    """Whether Whisper (large-v3) can transcribe it."""


def resolve(code_or_name: str) -> Language:
    """The language that a code or English name means, whatever its case: ``en``, ``ENG``, ``English``, ``en-US``.

    A tag with subtags that the table does not list means what its longest listed beginning means (lookup of RFC 4647,
    section 3.4): ``zh-Hant-MO`` is ``zh-hant``, so Chinese.

    Raises:
        UnknownLanguage: nothing goes by this name; the message suggests what looks most like it.
    """
    names = _names()
    wanted = code_or_name.strip().lower().replace("_", "-")
    beginning = wanted
    while beginning:
        if beginning in names:
            return names[beginning]
        beginning = beginning.rpartition("-")[0]
    close = difflib.get_close_matches(wanted[:40], names, n=1, cutoff=_SUGGESTION_SIMILARITY)
    raise UnknownLanguage(code_or_name, close[0] if close else None)


@cache
def all_languages() -> tuple[Language, ...]:
    """Every language of the table, those of Whisper first."""
    table = resources.files("speechpipe_common").joinpath("languages.json").read_bytes()
    return msgspec.json.decode(table, type=tuple[Language, ...])


@cache
def _names() -> dict[str, Language]:
    return {
        name: language
        for language in all_languages()
        for name in (language.code, language.name.lower(), *language.aliases)
    }
