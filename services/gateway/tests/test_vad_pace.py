"""Pace: how often the model is called, by how many speak."""

import pytest

from speechpipe_gateway.vad import VadState
from speechpipe_gateway.vad.pace import CROWD, PERIOD_SECONDS, Pace


@pytest.mark.parametrize(("sessions", "waits"), [(1, False), (CROWD - 1, False), (CROWD, True), (200, True)])
def test_only_a_crowd_is_waited_for(sessions: int, waits: bool) -> None:
    """A few sessions are heard at once; with more, a call comes a period after the one before."""
    pace, speaking = Pace(), [VadState(3) for _ in range(sessions)]
    now = 100.0
    for _ in range(3):
        for state in speaking:
            pace.asked(state)
            pace.asked(state)
        pace.began(now)
        now += PERIOD_SECONDS
    assert (pace.pause(now - PERIOD_SECONDS / 2) > 0) is waits
    assert pace.pause(now) <= 1e-9


def test_after_a_silence_nobody_waits() -> None:
    """However many spoke before, what comes after a pause goes at once."""
    pace = Pace()
    for state in [VadState(3) for _ in range(50)]:
        pace.asked(state)
    pace.began(10.0)
    assert pace.pause(10.0 + PERIOD_SECONDS) <= 0
    assert pace.pause(60.0) <= 0
