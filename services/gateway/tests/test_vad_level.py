"""How loud chunks are beside those that came just before."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.vad.level import REMEMBERED_CHUNKS, RecentLevel, peaks


def faint(levels: Iterable[int]) -> list[bool]:
    """What is said of chunks with these peaks."""
    level = RecentLevel()
    return [level.faint(peak) for peak in levels]


def test_what_fades_by_more_than_thirty_decibels_is_faint() -> None:
    """31 dB below the voice is, 29 dB is not."""
    assert faint([10_000, 10_000, 355, 282]) == [False, False, False, True]


def test_whoever_speaks_softly_is_heard_again_within_a_quarter_of_a_second() -> None:
    """Only what came just before counts."""
    assert faint([20_000, *[100] * (REMEMBERED_CHUNKS + 3)]) == [False, *[True] * REMEMBERED_CHUNKS, *[False] * 3]


@given(st.lists(st.integers(0, 32_768), max_size=100), st.integers(2, 50))
def test_it_is_the_same_at_any_volume(levels: list[int], factor: int) -> None:
    """Nothing is absolute."""
    assert faint(levels) == faint([factor * level for level in levels])


def test_silence_is_not_fainter_than_silence() -> None:
    """Zeros after zeros."""
    assert not any(faint([0] * 20))


def test_peaks_have_either_sign() -> None:
    """The lowest sample has no positive counterpart in int16."""
    chunks = np.zeros((3, 512), np.int16)
    chunks[0, 7], chunks[1, 8] = 32_767, -32_768
    assert peaks(chunks).tolist() == [32_767, 32_768, 0]


def test_another_shape_is_refused() -> None:
    """Chunks of another length have no place here."""
    with pytest.raises(ValueError, match="512 samples"):
        peaks(np.zeros((1, 500), np.int16))
