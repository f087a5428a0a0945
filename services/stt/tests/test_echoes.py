"""A sentence that is written again for the quiet behind it."""

from collections.abc import Sequence

import pytest

from speechpipe_stt.batched.echoes import without_echoes

ZERO = 50_364
"""The token of 0.00 s."""

WORDS = ["", " In", " being", " modern", ",", ".", " And", " so", " in"]


def at(seconds: float) -> int:
    """The token of a time."""
    return ZERO + round(seconds * 50)


def text_of(tokens: Sequence[int]) -> str:
    """Words of the vocabulary above."""
    return "".join(WORDS[token] for token in tokens)


ONCE = [at(0), 1, 2, 3, 4, at(4)]
TWO = [at(0), 1, 2, 3, 5, at(2), at(2), 6, 7, 5, at(3)]


@pytest.mark.parametrize(
    "echo",
    [
        [at(4), 8, 2, 3, 5, at(6)],
        [at(4), 1, 2, 3, 4, at(6), at(6), 1, 2, 3, 4, at(8)],
        [at(4), 1, 2],
        [at(2.6), 1, 2, 3, 4],
    ],
    ids=["once", "twice", "broken off", "just behind"],
)
def test_what_is_said_again_behind_the_speech_was_not_said(echo: list[int]) -> None:
    """Whatever its case and punctuation, and if the token limit ends it."""
    assert without_echoes([*ONCE, *echo], ZERO, 2.6, text_of) == ONCE


def test_all_of_two_sentences_or_the_last_may_be_repeated() -> None:
    """The echo of both, which begins with the first, and of the second alone."""
    assert without_echoes([*TWO, at(3), 1, 2, 3, 5, at(5), at(5), 6, 7, 5], ZERO, 2.6, text_of) == TWO
    assert without_echoes([*TWO, at(3), 6, 7, 5], ZERO, 2.6, text_of) == TWO


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [at(0)],
        ONCE,
        TWO,
        [1, 2, 3],
        [*ONCE, at(4)],
        [at(0), 1, 2, at(1), at(1), 1, 2, at(2)],
        [*ONCE, at(4), 6, 7, 5, at(6)],
        [at(3), 1, 2, 3],
    ],
    ids=["nothing", "a time", "one", "two", "no times", "begun", "said twice", "something new", "late"],
)
def test_everything_else_stays(tokens: list[int]) -> None:
    """What is said twice before the speech ends, and what is new behind it, since a timestamp may be wrong."""
    assert without_echoes(tokens, ZERO, 2.6, text_of) == tokens
