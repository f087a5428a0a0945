"""How an utterance is tried, without a model."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_stt.batched.attempts import (
    FULL_WINDOW,
    WINDOWS,
    Attempt,
    Verdict,
    attempts,
    best,
    judge,
    token_limit,
    window_for,
)
from speechpipe_stt.guards import Evidence

GOOD = Evidence(no_speech_probability=0.05, average_log_probability=-0.3, compression_ratio=1.0)
LOOP = Evidence(0.05, -0.3, 5.0)
IMPROBABLE = Evidence(0.05, -1.3, 1.0)
SILENCE = Evidence(0.8, -1.3, 0.3)


@given(st.floats(0.01, 28), st.booleans())
def test_attempts_grow(seconds: float, fallback: bool) -> None:
    """No attempt sees less than the one before or is made twice, and each window has room for the audio."""
    ways = attempts(seconds, fallback=fallback)
    windows = [way.window for way in ways]
    assert windows == sorted(windows)
    assert len(set(ways)) == len(ways)
    assert all(window >= round(seconds * 100) for window in windows)
    assert all(window in WINDOWS for window in windows)
    assert fallback or all(way.window < FULL_WINDOW for way in ways if seconds < 18)


@given(st.floats(0.01, 28))
def test_a_final_ends_in_the_full_window(seconds: float) -> None:
    """What fails everywhere else is decoded as Whisper was trained to."""
    assert attempts(seconds, fallback=True)[-1].window == FULL_WINDOW


def test_like_lengths_share_a_window() -> None:
    """Lengths that differ a little have the same window, and nothing has more than the full one."""
    assert window_for(381) == window_for(400) == 400
    assert window_for(401) > 400
    assert window_for(9_999) == FULL_WINDOW


@given(st.floats(0.01, 28), st.booleans())
def test_a_limit_leaves_room_for_any_speech(seconds: float, fallback: bool) -> None:
    """Ten tokens a second and a short answer always fit, and no limit is beyond what Whisper writes in a window.

    A first attempt has eight a second, and is followed by one that has more.
    """
    first = attempts(seconds, fallback=fallback)[0]
    assert min(8 * seconds, 200) + 10 <= token_limit(seconds, first, first=True) <= 224
    for way in attempts(seconds, fallback=fallback):
        assert min(10 * seconds, 200) + 10 <= token_limit(seconds, way, first=False) <= 224


@pytest.mark.parametrize(
    ("evidence", "suspicious", "fallback", "good"),
    [
        (GOOD, False, True, True),
        (GOOD, True, True, False),
        (LOOP, False, False, False),
        (IMPROBABLE, False, True, False),
        (IMPROBABLE, False, False, True),
    ],
)
def test_verdicts(evidence: Evidence, suspicious: bool, fallback: bool, good: bool) -> None:
    """A loop or a text that was cut off is tried again, an improbable one where fallback is wished."""
    for first in (True, False):
        assert judge(evidence, suspicious=suspicious, fallback=fallback, first=first).good is good


def test_improbable_words_get_a_second_attempt_and_no_third() -> None:
    """Clear speech that stays improbable is taken as it is; a loop, and what may be no speech, is tried on."""
    for evidence, more in ((IMPROBABLE, False), (LOOP, True), (Evidence(0.45, -1.3, 1.0), True)):
        assert judge(evidence, suspicious=False, fallback=True, first=True).again
        assert judge(evidence, suspicious=False, fallback=True, first=False).again is more


def test_after_babble_only_probable_words_are_believed() -> None:
    """After a loop of what may be no speech, a later attempt needs likelier words; after faint speech it does not."""
    assert judge(Evidence(0.45, -0.7, 3.0), suspicious=False, fallback=True, first=True).babbled
    assert not judge(LOOP, suspicious=False, fallback=True, first=True).babbled
    assert not judge(SILENCE, suspicious=False, fallback=True, first=True).babbled
    for probability, good in ((-0.4, True), (-0.7, False)):
        evidence = Evidence(0.45, probability, 1.0)
        assert judge(evidence, suspicious=False, fallback=True, first=False, babbled=True).good is good
        assert judge(evidence, suspicious=False, fallback=True, first=False).good


def test_after_babble_what_looks_like_speech_in_a_wider_window_is_believed() -> None:
    """A faint "Hello world" of 0.7 s: over and over in the first window, once in those that follow."""
    evidence = Evidence(0.26, -0.68, 0.6)
    assert judge(evidence, suspicious=False, fallback=True, first=False, babbled=True).good


def test_silence_is_believed_the_second_time() -> None:
    """What looks like silence in the shortest window gets a wider one, and no third."""
    for suspicious in (True, False):
        assert not judge(SILENCE, suspicious=suspicious, fallback=True, first=True).good
        assert judge(SILENCE, suspicious=suspicious, fallback=True, first=False).good


def test_a_doubtful_partial_is_tried_again() -> None:
    """Very improbable text where there may be no speech is not believed even of a partial; in clear speech it is."""
    for silence, good in ((0.45, False), (0.1, True)):
        evidence = Evidence(silence, -1.7, 0.6)
        assert judge(evidence, suspicious=False, fallback=False, first=False).good is good


def test_the_best_of_the_bad() -> None:
    """A text without loops is preferred to a more probable one with loops, and then the more probable one."""
    verdicts = [
        judge(each, suspicious=False, fallback=True, first=True)
        for each in (LOOP, IMPROBABLE, Evidence(0.05, -1.1, 1.0), SILENCE)
    ]
    assert best(verdicts) == 2
    assert best([Verdict(good=False, again=True, babbled=False, rank=(False, -0.1))]) == 0


@given(st.floats(0.01, 28), st.booleans())
def test_what_shares_a_call_is_not_too_different(seconds: float, fallback: bool) -> None:
    """A window's bucket holds it, and none in it is much more than twice as long as another."""
    for way in attempts(seconds, fallback=fallback):
        assert way.window <= way.bucket
        others = [window for window in WINDOWS if Attempt(window).bucket == way.bucket]
        assert max(others) <= 2.15 * min(others)
