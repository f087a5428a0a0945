"""When a decoder has stopped before the end of what was said, told from its tokens alone."""

import pytest

from speechpipe_stt.batched.echoes import broken_off

ZERO = 50_364
"""The token of 0.00 s."""


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], None),
        ([ZERO], None),
        ([ZERO, 7, 8, ZERO + 100], None),
        ([ZERO, 7, 8], None),
        ([ZERO, 7, 8, ZERO + 100, ZERO + 100], 2.0),
        ([ZERO, 7, ZERO + 50, ZERO + 50, 8, ZERO + 100], None),
    ],
)
def test_two_timestamps_at_the_end_begin_a_segment(tokens: list[int], expected: float | None) -> None:
    """A segment that was begun and not written shows where hearing ended; one timestamp, or text, ends it properly."""
    assert broken_off(tokens, ZERO) == expected
