"""The queue between a session and a socket that may be slow."""

import asyncio

from speechpipe_common.wire import AudioAck, FinalCaption, Realtime, ServerMessage, Translation
from speechpipe_gateway.live.outbox import MAX_WAITING, Goodbye, Outbox, Outgoing


def realtime(segment: str, rev: int) -> Realtime:
    """A partial."""
    return Realtime(
        segment_id=segment, rev=rev, text="", committed="", tail="", language="en", processing_time=0, cursor="0-0"
    )


def translation(rev: int, language: str = "es", *, final: bool = False) -> Translation:
    """A translation of segment 1."""
    return Translation(segment_id="1", rev=rev, text="", language=language, is_final=final, cursor="0-0")


def caption(segment: str) -> FinalCaption:
    """A final."""
    return FinalCaption(
        segment_id=segment,
        rev=1,
        text="",
        language="en",
        start=0,
        end=1,
        words=(),
        continues=False,
        processing_time=0,
        cursor="0-0",
    )


async def drained(outbox: Outbox) -> list[Outgoing | Goodbye]:
    """All that waits, after a goodbye."""
    outbox.close(1000, "done")
    taken = [await outbox.take()]
    while not isinstance(taken[-1], Goodbye):
        taken.append(await outbox.take())
    return taken[:-1]


async def test_a_partial_takes_the_place_of_the_one_before_it() -> None:
    """Of one segment only the newest partial waits; other segments keep theirs."""
    outbox = Outbox()
    for message in (realtime("1", 1), realtime("2", 2), realtime("1", 3)):
        outbox.put(message)
    assert await drained(outbox) == [realtime("2", 2), realtime("1", 3)]


async def test_partial_translations_are_superseded_by_language() -> None:
    """The newest for each language waits; final ones are never replaced."""
    outbox = Outbox()
    sent = [translation(1), translation(2, "fr"), translation(3, final=True), translation(4), translation(5)]
    for message in sent:
        outbox.put(message)
    assert await drained(outbox) == [sent[1], sent[2], sent[4]]


async def test_finals_stay_in_order() -> None:
    """Finals and acknowledgements come out as they went in."""
    outbox = Outbox()
    sent: list[ServerMessage] = [caption("1"), AudioAck(offset=1, cursor="0-0"), caption("2"), caption("1")]
    for message in sent:
        outbox.put(message)
    assert await drained(outbox) == sent


async def test_a_client_that_does_not_read_is_cut_off() -> None:
    """One message over the bound empties the queue and closes with 1011; nothing is taken afterwards."""
    outbox = Outbox()
    for number in range(MAX_WAITING + 2):
        outbox.put(caption(str(number)))
    assert outbox.closing
    goodbye = await outbox.take()
    assert isinstance(goodbye, Goodbye)
    assert goodbye.code == 1011
    assert "resume" in goodbye.reason


async def test_partials_alone_never_fill_it() -> None:
    """However many partials come of a segment, one waits."""
    outbox = Outbox()
    for rev in range(3 * MAX_WAITING):
        outbox.put(realtime("1", rev))
    assert await drained(outbox) == [realtime("1", 3 * MAX_WAITING - 1)]


async def test_only_the_first_goodbye_counts() -> None:
    """A second close, or a message behind it, changes nothing."""
    outbox = Outbox()
    outbox.close(4409, "taken over")
    outbox.close(1000, "done")
    outbox.put(caption("1"))
    assert await outbox.take() == Goodbye(4409, "taken over")


async def test_taking_waits_for_something() -> None:
    """An empty outbox holds its taker until a message comes."""
    outbox = Outbox()
    taking = asyncio.create_task(outbox.take())
    await asyncio.wait([taking], timeout=0)
    assert not taking.done()
    outbox.put(caption("1"))
    assert await taking == caption("1")
