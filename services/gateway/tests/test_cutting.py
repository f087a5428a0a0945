"""Where a long segment is cut."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.session.cutting import FRAME, SMOOTHING, quietest


def noise(seconds: float, level: int = 3_000) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Steady noise."""
    return np.random.default_rng(0).integers(-level, level, round(seconds * 16_000)).astype(np.int16)


@pytest.mark.parametrize("at", [2.1, 3.0, 4.7])
def test_the_cut_is_in_the_middle_of_the_pause(at: float) -> None:
    """A pause of 150 ms in 5 s of noise is found wherever it is."""
    pcm = noise(5)
    begin = round(at * 16_000)
    pcm[begin : begin + 2_400] //= 100
    assert begin + 800 <= quietest(pcm, 16_000, len(pcm)) <= begin + 1_600


def test_a_pause_outside_the_range_is_not_taken() -> None:
    """What is quiet before the earliest or behind the latest sample is no place to cut."""
    pcm = noise(5)
    pcm[:8_000] = pcm[72_000:] = 0
    assert 16_000 < quietest(pcm, 16_000, 64_000) < 64_000


def test_a_plosive_is_no_pause() -> None:
    """A closure of 40 ms loses against a softer stretch of 200 ms."""
    pcm = noise(5)
    pcm[32_000:32_640] = 0
    pcm[48_000:51_200] //= 4
    assert 48_000 <= quietest(pcm, 16_000, len(pcm)) <= 51_200


@given(st.integers(0, 8_000), st.integers(0, 8_000))
def test_the_cut_is_always_within_the_range(a: int, b: int) -> None:
    """Any range of any length gives a place inside it, 10 ms steps from its beginning, or its end."""
    earliest, latest = min(a, b), max(a, b)
    at = quietest(noise(0.5), earliest, latest)
    assert at == latest or (earliest < at <= latest and (at - earliest) % FRAME == 0)
    if latest - earliest < SMOOTHING * FRAME:
        assert at == latest


def test_full_scale_does_not_overflow() -> None:
    """The loudest samples there are count as loud, not as quiet."""
    pcm = np.full(80_000, -32_768, np.int16)
    pcm[40_000:43_000] = 20_000
    assert 40_000 <= quietest(pcm, 16_000, 80_000) <= 43_000
