"""The decisions about invented text, loops, audio levels and token limits, without a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_stt.audio import from_pcm16, normalize
from speechpipe_stt.guards import Evidence, impossible, invented, loops, repeats_itself, without_loops


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (Evidence(0.05, -0.3, 1.0), False),
        (Evidence(0.05, -1.2, 5.3), False),
        (Evidence(0.68, -0.77, 0.27), True),
        (Evidence(0.85, -0.22, 12.8), True),
        (Evidence(0.70, -0.2, 1.1), False),
    ],
)
def test_invented(evidence: Evidence, expected: bool) -> None:
    """A piece is dropped when it looks like silence and is improbable or repetitive; bad speech alone is kept."""
    assert invented(evidence) is expected


def test_a_loop_is_said_once() -> None:
    """A phrase that follows itself four times or more is kept once, whatever its case and punctuation."""
    words = ["So", "I'm", "sorry,", "I'm", "sorry.", "I'm", "SORRY", "I'm", "sorry", "I'm", "sorry", "thanks"]
    assert [words[index] for index in without_loops(words)] == ["So", "I'm", "sorry,", "thanks"]


def test_rhetoric_is_kept() -> None:
    """Three repeats are a speaker's own."""
    words = ["no", "no", "no", "it", "is", "very", "very", "good"]
    assert without_loops(words) == list(range(len(words)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Had he married a more amiable woman? Had he married a more amiable woman?", True),
        ("Witaj suy, suy, suy, suy, suy, suy", True),
        ("bonjour les mains bonjour les mains", True),
        ("你好世界你好 你好世界你好", False),
        ("你好世界你好你好世界你好", True),
        ("He was not an old-s-s-y-y-y-y-y-y-y-y-y-y-y", True),
        ("no, no, that is very, very good", False),
        ("don't, don't, it's a well-to-do, well-to-do man", True),
        ("don't, don't, it's a ten-year-old", False),
        ("1, 2, 3, 4, 5, 6, 7, 8, 9, 10.", False),
        ("", False),
    ],
)
def test_repeats_itself(text: str, expected: bool) -> None:
    """Three words or more said twice in a row are worth another look, also where the compression ratio is low."""
    assert repeats_itself(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the quick brown the quick brown the quick brown the quick brown", True),
        ("ha ha ha ha", True),
        ("你好你好你好你好", True),
        ("Had he married a more amiable woman? Had he married a more amiable woman?", False),
        ("no no no it is very very good", False),
        ("", False),
    ],
)
def test_loops(text: str, expected: bool) -> None:
    """A phrase four times in a row is a loop, whoever wrote it and how often; twice may have been said."""
    assert loops(text) is expected


def test_impossible() -> None:
    """A dozen short words fit into two seconds, the same three times over do not."""
    words = "the quick brown fox jumps over the lazy dog and runs off "
    assert not impossible(words, 2.0)
    assert impossible(words * 3, 2.0)


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_loops_leave_an_ordered_selection(words: list[str]) -> None:
    """What remains is never empty, never reordered, and begins with the first word."""
    kept = without_loops(words)
    assert kept == sorted(set(kept))
    assert kept[:1] == ([0] if words else [])


def test_pcm_is_scaled() -> None:
    """The extremes of PCM16LE become -1 and just below 1."""
    audio = from_pcm16(np.array([-32768, 0, 32767], "<i2").tobytes())
    assert audio.dtype == np.float32
    assert audio.tolist() == [-1.0, 0.0, 32767 / 32768]


def test_normalize_sets_the_peak() -> None:
    """Quiet and loud audio both come to a peak of -0.95 dBFS; noise below -60 dBFS is not raised."""
    tone = np.sin(np.arange(1600) / 10).astype(np.float32)
    for gain in (0.01, 1.0):
        assert 20 * np.log10(np.abs(normalize(tone * np.float32(gain))).max()) == pytest.approx(-0.95, abs=1e-3)
    faint = tone * np.float32(0.0005)
    assert normalize(faint) is faint
    assert normalize(np.zeros(0, np.float32)).size == 0
