"""Finals in the order of their segments, for protocols that name no segments."""

import itertools

import pytest

from speechpipe_common.wire import AudioAck, Error, FinalCaption, Realtime, ServerMessage
from speechpipe_gateway.live.ordering import InOrder
from speechpipe_gateway.live.outbox import Outbox

SEGMENTS = (0, 512, 1_024, 4_096)


def final(segment: int) -> FinalCaption:
    """A caption."""
    return FinalCaption(
        segment_id=str(segment),
        rev=1,
        text=f"text {segment}",
        language="en",
        start=segment / 16_000,
        end=(segment + 500) / 16_000,
        words=(),
        continues=False,
        processing_time=0.1,
        cursor="0-0",
    )


def partial(segment: int) -> Realtime:
    """A partial."""
    return Realtime(
        segment_id=str(segment),
        rev=1,
        text="t",
        committed="",
        tail="t",
        language="en",
        processing_time=0.1,
        cursor="0-0",
    )


@pytest.mark.parametrize("arrival", list(itertools.permutations(SEGMENTS)))
def test_however_finals_come_they_leave_in_order(arrival: tuple[int, ...]) -> None:
    """Each leaves as soon as all before it have come, and none is kept."""
    order, owed = InOrder(), set(SEGMENTS)
    said: list[ServerMessage] = []
    for segment in arrival:
        owed.discard(segment)
        said += order.take(final(segment), owed)
        assert [int(message.segment_id) for message in said] == [s for s in SEGMENTS if s < min(owed, default=5_000)]
    assert order.held == frozenset()


def test_a_failure_lets_the_next_go() -> None:
    """A segment that has failed has its say in its place, and holds nobody."""
    order = InOrder()
    assert list(order.take(final(512), {0})) == []
    assert order.held == {512}
    failure = Error(code="poison", message="m", segment_id="0")
    assert list(order.take(failure, set())) == [failure, final(512)]


def test_partials_never_overtake() -> None:
    """A partial is said only of the earliest segment without a final."""
    order = InOrder()
    assert list(order.take(partial(512), {0, 512})) == []
    assert list(order.take(partial(512), {512})) == [partial(512)]


def test_all_else_passes() -> None:
    """What belongs to no final is not kept."""
    acknowledged = AudioAck(offset=1, cursor="0-0")
    assert list(InOrder().take(acknowledged, {0})) == [acknowledged]
    refusal = Error(code="c", message="m")
    assert list(InOrder().take(refusal, {0})) == [refusal]


async def test_an_outbox_without_an_order_keeps_that_of_arrival() -> None:
    """The native protocol names segments: nothing waits there."""
    outbox = Outbox()
    outbox.say(final(512), {0})
    assert (await outbox.take(), outbox.held) == (final(512), frozenset())
