"""The slots of the heartbeat: no session is forgotten, and not all beat at once."""

from hypothesis import given
from hypothesis import strategies as st

from speechpipe_gateway.live.hub import BEAT_SLOTS, slots_passed


@given(start=st.integers(0, 10**9), steps=st.lists(st.integers(0, 3 * BEAT_SLOTS), min_size=1, max_size=200))
def test_every_slot_comes_once_in_a_round(start: int, steps: list[int]) -> None:
    """However late the ticks are, each slot comes whenever its time has passed, and in time not more than once."""
    last, beats = start, [0] * BEAT_SLOTS
    for step in steps:
        for slot in slots_passed(last, last + step):
            beats[slot] += 1
        last += step
    if max(steps) <= BEAT_SLOTS:
        rounds = (last - start) / BEAT_SLOTS
        assert all(rounds - 1 < beat < rounds + 1 for beat in beats)
    else:
        assert all(beats)


def test_a_tick_in_time_is_one_slot() -> None:
    """Sessions are spread over as many ticks as there are in the heartbeat's time."""
    assert [slots_passed(tick, tick + 1) for tick in range(BEAT_SLOTS)] == [
        {(tick + 1) % BEAT_SLOTS} for tick in range(BEAT_SLOTS)
    ]
