"""Captions that grow: what is committed stays, what is not may change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.session.stabilising import Stabiliser

WORDS = st.sampled_from(["one", "One,", "two", "two.", "three", "…", "-", "Ünï", "ﬁne", "世界"])
PARTIALS = st.lists(
    st.tuples(st.lists(WORDS, max_size=8).map(" ".join), st.sampled_from(["en", "zh", ""])), max_size=12
)


@given(PARTIALS)
def test_committed_never_changes_among_partials(partials: list[tuple[str, str]]) -> None:
    """Whatever the partials say, in whatever language, committed text is only ever added to."""
    stabiliser, committed, until = Stabiliser(), "", 0
    for number, (text, language) in enumerate(partials, 1):
        caption = stabiliser.update(text, language, number * 8_000)
        assert caption.committed.startswith(committed)
        assert caption.text == caption.committed + caption.tail
        assert until <= stabiliser.committed_until < number * 8_000
        committed, until = caption.committed, stabiliser.committed_until


@given(st.lists(WORDS, max_size=8))
def test_the_first_partial_commits_nothing_and_the_second_like_it_everything(words: list[str]) -> None:
    """One opinion is a tail; two in a row that agree are committed, and the text shown is the partial's own."""
    stabiliser, text = Stabiliser(), " ".join(words)
    assert stabiliser.update(text, "en", 8_000).committed == ""
    assert stabiliser.update(text, "en", 16_000).committed == text
    assert stabiliser.committed_until == (8_000 if words else 0)


def test_agreement_ends_at_the_first_difference() -> None:
    """Words behind a disagreement are not committed although they agree."""
    stabiliser = Stabiliser()
    stabiliser.update("the cat sat down", "en", 8_000)
    caption = stabiliser.update("the bat sat down", "en", 16_000)
    assert (caption.committed, caption.tail) == ("the", " bat sat down")


def test_case_and_punctuation_do_not_disagree() -> None:
    """A comma or a capital that flickers does not hold a word back."""
    stabiliser = Stabiliser()
    stabiliser.update("Hello world", "en", 8_000)
    assert stabiliser.update("hello, world.", "en", 16_000).committed == "hello, world."


@pytest.mark.parametrize(("language", "committed"), [("ja", "今日は"), ("en", "")])
def test_languages_without_spaces_agree_by_character(language: str, committed: str) -> None:
    """Japanese commits characters where English waits for whole words."""
    stabiliser = Stabiliser()
    stabiliser.update("今日はいい", language, 8_000)
    assert stabiliser.update("今日はあめ", language, 16_000).committed == committed


def test_a_contradiction_changes_only_the_tail() -> None:
    """A later partial that denies committed words keeps them and says the rest."""
    stabiliser = Stabiliser()
    for end in (8_000, 16_000):
        stabiliser.update("one two", "en", end)
    caption = stabiliser.update("five six seven", "en", 24_000)
    assert (caption.committed, caption.tail) == ("one two", " seven")
