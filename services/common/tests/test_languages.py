"""The language table and its lookup."""

from collections import Counter

import pytest

from speechpipe_common.languages import UnknownLanguage, all_languages, resolve

REFERENCE = "en es fr de it pt ru ja zh ko ar hi th vi nl sv cs pl".split()  # noqa: SIM905 - a list would take a screen
"""The 18 languages of the system that this one replaces."""

WHISPER = """
    en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml cy
    sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am yi lo
    uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue
""".split()  # noqa: SIM905 - a list would take a screen


def test_the_table_covers_reference_and_whisper() -> None:
    """More than 100 languages are listed, with all of the reference system's and exactly Whisper's marked as such."""
    codes = {language.code for language in all_languages()}
    assert len(codes) > 100
    assert set(REFERENCE) <= codes
    assert [language.code for language in all_languages() if language.whisper] == WHISPER


def test_whisper_codes_are_those_of_the_library() -> None:
    """The codes marked as Whisper's are those that faster-whisper accepts."""
    tokenizer = pytest.importorskip("faster_whisper.tokenizer")
    assert {language.code for language in all_languages() if language.whisper} == set(tokenizer._LANGUAGE_CODES)


def test_no_name_means_two_languages() -> None:
    """Each code, name and alias belongs to one language only, and is written as the lookup compares it."""
    names = Counter(
        name for language in all_languages() for name in {language.code, language.name.lower(), *language.aliases}
    )
    assert [name for name, count in names.items() if count > 1] == []
    assert all(name == name.lower() and "_" not in name for name in names)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ("en", "en"),
        ("EN", "en"),
        ("english", "en"),
        (" English ", "en"),
        ("eng", "en"),
        ("en-US", "en"),
        ("en_GB", "en"),
        ("pt-BR", "pt"),
        ("zh-Hant-MO", "zh"),
        ("zh-yue", "yue"),
        ("ger", "de"),
        ("jv", "jw"),
        ("iw", "he"),
        ("nb-NO", "no"),
        ("fil", "tl"),
    ],
)
def test_codes_names_and_regional_forms_resolve(asked: str, code: str) -> None:
    """Any usual way of naming a language finds it."""
    assert resolve(asked).code == code


@pytest.mark.parametrize(("asked", "suggestion"), [("englsh", "english"), ("spanisch", "spanish"), ("q9", None)])
def test_an_unknown_language_is_refused_with_a_suggestion(asked: str, suggestion: str | None) -> None:
    """What no language is called raises, naming what was asked and the nearest name if there is one."""
    with pytest.raises(UnknownLanguage, match=f"unknown language '{asked}'") as caught:
        resolve(asked)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("asked", ["", "-", "---", "auto", "x" * 10_000])
def test_nonsense_is_refused(asked: str) -> None:
    """Empty, long and separator-only input is refused like any other unknown name, in a short message."""
    with pytest.raises(UnknownLanguage) as caught:
        resolve(asked)
    assert len(str(caught.value)) < 200
