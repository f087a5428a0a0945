"""When a detected language is believed, and when it is doubted again."""

import pytest

from speechpipe_common.messages import Transcript, Word
from speechpipe_gateway.session.language import LanguageTracker


def final(
    language: str = "de", sure: float = 0.9, seconds: float = 3.0, text: str = "ja", words: float = 1.0
) -> Transcript:
    """A final of some length, with words of this probability."""
    return Transcript(
        segment=0,
        rev=1,
        kind="final",
        start=0,
        end=round(seconds * 16_000),
        text=text,
        language=language,
        language_probability=sure,
        words=(Word(text=text, start=0, end=1, probability=words),),
        processing_time=0,
    )


def test_two_sure_finals_in_a_row_fix_the_language() -> None:
    """One is a guess, the second of the same language settles it, and says so once."""
    tracker = LanguageTracker()
    assert [tracker.heard(final()), tracker.heard(final()), tracker.heard(final())] == [False, True, False]
    assert tracker.fixed == "de"


@pytest.mark.parametrize("weak", [final(sure=0.69), final(seconds=1.9), final(text="")])
def test_short_unsure_or_empty_finals_prove_nothing(weak: Transcript) -> None:
    """They neither count nor break the row."""
    tracker = LanguageTracker()
    tracker.heard(final())
    assert tracker.heard(weak) is False
    assert tracker.heard(final()) is True


def test_another_language_begins_a_new_row() -> None:
    """German, French, German settles nothing; German again does."""
    tracker = LanguageTracker()
    assert [tracker.heard(final(language)) for language in ("de", "fr", "de")] == [False] * 3
    assert tracker.heard(final("de")) is True


def test_a_final_that_reads_badly_reopens_the_question() -> None:
    """Words of low probability under a fixed language undo it; two sure finals are needed again."""
    tracker = LanguageTracker("de")
    assert tracker.heard(final(words=0.39)) is True
    assert tracker.fixed is None
    assert [tracker.heard(final("fr")), tracker.heard(final("fr"))] == [False, True]
    assert tracker.fixed == "fr"


def test_a_good_final_leaves_the_language_alone() -> None:
    """What is detected once the language is fixed does not matter while the words read well."""
    tracker = LanguageTracker("de")
    assert tracker.heard(final("fr", words=0.4)) is False
    assert tracker.fixed == "de"
