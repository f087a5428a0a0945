"""The demo's verdict: what must make it fail."""

import numpy as np
import pytest

from speechpipe_client.demo.clips import speech_end
from speechpipe_client.demo.pairs import parse_pairs
from speechpipe_client.demo.scoring import error_rate
from speechpipe_client.demo.verdict import Expected, Heard, judge

FOX = Expected("en/fox", "en", "The quick brown fox jumps over the lazy dog.", 0.15, "es")
RIGHT = "The quick brown fox jumps over the lazy dog."
SPANISH = "El zorro marrón rápido salta sobre el perro perezoso."


def test_the_right_text_with_a_translation_passes():
    """Case and punctuation do not matter; a correct clip has no fault."""
    verdict = judge(FOX, Heard(("the quick brown fox", "jumps over the lazy dog"), ("el zorro", "salta")))
    assert verdict.faults == ()
    assert verdict.error_rate == 0.0


@pytest.mark.parametrize(
    ("finals", "fault"),
    [
        (("A slow black cat sleeps under my warm bed.",), "error rate"),
        ((), "no final"),
        (("",), "no final"),
        ((RIGHT, RIGHT), "error rate 1.00"),
        (("quick brown fox jumps over the lazy dog",), None),
        (("jumps over the lazy dog",), "first word"),
        (("The quick brown fox jumps over the",), "last word"),
        ((RIGHT, "Thank you for watching."), "error rate"),
    ],
)
def test_wrong_missing_cut_and_doubled_text_fails(finals: tuple[str, ...], fault: str | None):
    """Each way of getting the text wrong is a fault that says what is wrong; one missing article is within bounds."""
    expected = Expected("en/fox", "en", FOX.transcript, 0.15, None)
    faults = " ".join(judge(expected, Heard(finals)).faults)
    assert (fault in faults) if fault else ("first word" in faults or not faults)


@pytest.mark.parametrize(
    ("translations", "fault"),
    [((), "0 translations"), (("",), "1 translations"), ((RIGHT,), "again"), ((SPANISH, SPANISH), "twice")],
)
def test_missing_empty_untranslated_and_doubled_translations_fail(translations: tuple[str, ...], fault: str):
    """A translation must be there once per final, have text, and not be the source."""
    assert fault in " ".join(judge(FOX, Heard((RIGHT,), translations)).faults)


def test_what_went_wrong_on_the_way_fails_even_with_the_right_text():
    """An error of the session is a fault of its own."""
    assert judge(FOX, Heard((RIGHT,), (SPANISH,), ("decode_failed: gone",))).faults == ("decode_failed: gone",)


def test_numbers_and_characters_are_compared_fairly():
    """Digits equal number words, and Japanese is scored by character."""
    assert error_rate("uno dos tres", "1, 2, 3", "es") == 0.0
    assert error_rate("One two three.", "One, 2, 3", "en") == 0.0
    assert error_rate("こんにちは世界。", "こんにちは世間", "ja") == pytest.approx(1 / 7)
    with pytest.raises(ValueError, match="no words"):
        error_rate(" ", "x", "en")


def test_trailing_silence_is_not_speech():
    """The end of speech is where the signal was last loud, to 20 ms."""
    tone = (8000 * np.sin(np.arange(16_000) / 5)).astype(np.int16)
    silence = np.full(8_000, 20, np.int16)
    assert speech_end(np.concatenate([tone, silence]), 16_000) == 16_000
    assert speech_end(np.zeros(16_000, np.int16), 16_000) == 16_000


def test_apertium_modes_become_our_codes():
    """``apertium -l`` names pairs in several ways; modes that are no pair of known languages are left out."""
    listed = "  eco-es-fr\n  eng-spa\n  es-pt_BR\n  fr-es\n  xyzzy-spa\n"
    assert parse_pairs(listed) == {("en", "es"): "eng-spa", ("es", "pt"): "es-pt_BR", ("fr", "es"): "fr-es"}
