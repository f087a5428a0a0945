"""What a gateway that takes a session over makes of what Redis holds."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_common.messages import Delivery, Failure, SegmentRecord, Transcript
from speechpipe_common.store import StoredSession
from speechpipe_gateway.session import Options, restore


def record(start: int, end: int | None, turn: int = 0) -> SegmentRecord:
    """A segment without a final."""
    return SegmentRecord(turn=turn, start=start, end=end, rev=1, language="en", targets=("es",))


def final(entry: str, start: int, end: int) -> Delivery:
    """A final on the replay stream."""
    body = Transcript(
        segment=start,
        rev=1,
        kind="final",
        start=start,
        end=end,
        text="x",
        language="en",
        language_probability=1,
        processing_time=0,
    )
    return Delivery(id=entry, body=body)


def stored(*segments: SegmentRecord, results: tuple[Delivery, ...] = (), **fields: str) -> StoredSession:
    """A session as Redis has it."""
    return StoredSession(2, fields, segments, results)


def test_a_session_that_never_spoke_begins_where_it_was_acknowledged() -> None:
    """Nothing open, nothing owed: audio goes on from the acknowledged offset."""
    restored = restore(stored(acked="32000", source="de", targets="en,es", language="de"), "0-0", 0)
    assert (restored.position, restored.listen_from) == (32_000, 32_000)
    assert (restored.closed, restored.open, restored.had, restored.missed) == ((), None, (), ())
    assert restored.options == Options("de", ("en", "es"))
    assert restored.language == "de"


def test_hints_are_kept_and_those_of_older_gateways_understood() -> None:
    """What ``start`` said goes on after a takeover; a session that knows nothing of times of words has them."""
    restored = restore(stored(source="en", prompt="p", hotwords="h", words=""), "0-0", 0)
    assert restored.options == Options("en", (), "p", "h", words=False)
    assert restore(stored(source="en"), "0-0", 0).options.words


def test_audio_that_the_client_lost_is_not_asked_for() -> None:
    """What the client has forgotten moves the beginning forward."""
    assert restore(stored(acked="32000"), "0-0", 48_000).position == 48_000


def test_results_are_split_at_the_cursor() -> None:
    """What the client has is remembered, what it lacks is replayed, in order; ids are compared as numbers."""
    results = (final("9-0", 0, 100), final("10-0", 100, 200), final("10-1", 200, 300))
    restored = restore(stored(results=results), "10-0", 0)
    assert (restored.had, restored.missed) == (results[:2], results[2:])
    assert restored.listen_from == 300


def test_the_last_unfinished_segment_goes_on() -> None:
    """It is open, and what is behind all others; those that ended are awaited."""
    closed, growing = record(0, 48_000), record(48_000, None)
    restored = restore(stored(closed, growing, acked="0"), "0-0", 0)
    assert (restored.closed, restored.open, restored.listen_from) == ((closed,), growing, 48_000)


def test_an_unfinished_segment_in_front_of_another_ends_there() -> None:
    """The cut between them was lost with the gateway; the second one's beginning tells where it was."""
    restored = restore(stored(record(0, None), record(48_000, 96_000)), "0-0", 0)
    assert restored.closed == (record(0, 48_000), record(48_000, 96_000))
    assert restored.open is None


def test_a_segment_with_a_final_is_not_decoded_again() -> None:
    """A record that outlived its commit is ignored."""
    restored = restore(stored(record(0, None), results=(final("1-0", 0, 48_000),)), "0-0", 0)
    assert (restored.closed, restored.open, restored.listen_from) == ((), None, 48_000)


def test_a_failed_segment_is_no_final_text() -> None:
    """A failure on the replay stream is replayed as one."""
    failure = Delivery(id="1-0", body=Failure(segment=0, rev=1, code="gave_up", message="m", retry=False))
    restored = restore(stored(results=(failure,)), "0-0", 0)
    assert restored.missed == (failure,)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["final", "closed", "open"])), max_size=8), st.integers(0, 9)
)
def test_no_audio_is_listened_to_twice(lengths: list[tuple[int, str]], cursor: int) -> None:
    """Any chain of segments: none overlaps, and listening goes on behind everything that is cut or final."""
    position, records, results = 0, [], []
    for number, (length, state) in enumerate(lengths, 1):
        end = position + length * 16_000
        if state == "final":
            results.append(final(f"{number}-0", position, end))
        else:
            records.append(record(position, end if state == "closed" else None))
        position = end
    restored = restore(stored(*records, results=tuple(results)), f"{cursor}-0", 0)
    ends = [r.end for r in restored.closed if r.end is not None]
    ends += [d.body.end for d in results if isinstance(d.body, Transcript)]
    assert restored.listen_from >= max(ends, default=0)
    assert all(r.end is not None and r.start < r.end for r in restored.closed)
    if restored.open is not None:
        assert restored.open.start >= max(ends, default=0)
    assert len(restored.had) + len(restored.missed) == len(results)
    assert msgspec.json.encode(restored.closed)
