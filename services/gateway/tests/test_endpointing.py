"""From votes to onsets, pauses and ends."""

from hypothesis import given
from hypothesis import strategies as st
from session_world import CONFIG, QUIET, SOFT, SPEECH

from speechpipe_gateway.session.endpointing import (
    CHUNK,
    Ended,
    Endpointer,
    Event,
    Grew,
    Opened,
    Paused,
    Resumed,
    State,
    TooLong,
    Vote,
)

SUSTAIN = Vote(onset=False, sustain=True, soft=True)
FAINT = Vote(onset=False, sustain=True, soft=True, faint=True)


def feed(endpointer: Endpointer, *stretches: tuple[Vote, float]) -> list[Event]:
    """Events of stretches of so many seconds."""
    events: list[Event] = []
    for vote, seconds in stretches:
        for _ in range(round(seconds * 16_000 / CHUNK)):
            events += endpointer.feed(vote)
    return events


def kinds(events: list[Event]) -> list[type[Event]]:
    """Types of events, without growth."""
    return [type(event) for event in events if not isinstance(event, Grew)]


def test_an_utterance_opens_pauses_and_ends() -> None:
    """Speech and then silence: onset with the audio before it, candidate, end, in this order."""
    endpointer = Endpointer(CONFIG, 0, 0)
    events = feed(endpointer, (QUIET, 2.016), (SPEECH, 1.6), (QUIET, 1.0))
    assert kinds(events) == [Opened, Paused, Ended]
    assert events[0] == Opened(round(2.016 * 16_000) - CONFIG.pre_speech)
    assert endpointer.state is State.INACTIVE


def test_nothing_begins_with_sustain_alone() -> None:
    """What would hold an utterance open does not begin one."""
    assert feed(Endpointer(CONFIG, 0, 0), (SUSTAIN, 5.0), (SOFT, 5.0)) == []


def test_sustain_holds_an_utterance_open() -> None:
    """One onset and sustained chunks are one utterance."""
    events = feed(Endpointer(CONFIG, 0, 0), (SPEECH, 0.1), (SUSTAIN, 3.0), (QUIET, 1.0))
    assert kinds(events) == [Opened, Paused, Ended]


def test_a_click_leaves_no_trace() -> None:
    """Speech shorter than the minimum neither opens nor ends anything, and what follows begins afresh."""
    endpointer = Endpointer(CONFIG, 0, 0)
    assert feed(endpointer, (SPEECH, 0.1), (QUIET, 2.0)) == []
    assert kinds(feed(endpointer, (SPEECH, 1.0), (QUIET, 1.0))) == [Opened, Paused, Ended]


def test_speech_after_a_pause_resumes() -> None:
    """A pause shorter than the threshold is taken back when speech goes on."""
    events = feed(Endpointer(CONFIG, 0, 0), (SPEECH, 1.0), (QUIET, 0.5), (SPEECH, 0.5), (QUIET, 1.0))
    assert kinds(events) == [Opened, Paused, Resumed, Paused, Ended]


def test_silence_is_counted_from_what_was_last_loud() -> None:
    """A detector that goes on hearing a voice which has faded away delays neither the candidate nor the end."""
    said = (SPEECH, 0.96)
    lingering = feed(Endpointer(CONFIG, 0, 0), said, (FAINT, 0.096), (QUIET, 2.0))
    silent = feed(Endpointer(CONFIG, 0, 0), said, (QUIET, 2.0))
    assert kinds(lingering) == kinds(silent) == [Opened, Paused, Ended]
    assert [event for event in lingering if isinstance(event, Paused | Ended)] == [
        event for event in silent if isinstance(event, Paused | Ended)
    ]


def test_faint_speech_holds_an_utterance_open() -> None:
    """However faint it is, nothing ends while a voice is heard; and it counts as speech where that is short."""
    assert kinds(feed(Endpointer(CONFIG, 0, 0), (SPEECH, 0.1), (FAINT, 5.0), (SUSTAIN, 0.1), (QUIET, 0.2))) == [Opened]


def test_soft_speech_behind_the_pause_is_remembered() -> None:
    """Something faint after the candidate marks the end as soft; before it, it does not."""
    after = feed(Endpointer(CONFIG, 0, 0), (SPEECH, 1.0), (QUIET, 0.5), (SOFT, 0.1), (QUIET, 1.0))[-1]
    before = feed(Endpointer(CONFIG, 0, 0), (SPEECH, 1.0), (SOFT, 0.1), (QUIET, 1.0))[-1]
    assert isinstance(after, Ended)
    assert isinstance(before, Ended)
    assert (after.soft, before.soft) == (True, False)


def test_an_end_on_request_before_any_pause_is_soft() -> None:
    """A flush in the middle of a word has no candidate to promote; in silence it ends nothing."""
    endpointer = Endpointer(CONFIG, 0, 0)
    assert endpointer.end() == []
    feed(endpointer, (SPEECH, 1.024))
    assert endpointer.end() == [Ended(16_384, soft=True)]
    assert endpointer.end() == []


def test_a_cut_goes_on_with_the_same_turn() -> None:
    """After a cut the segment begins at the cut, and is open when speech came behind it."""
    endpointer = Endpointer(CONFIG, 0, 0)
    events = feed(endpointer, (SPEECH, 10.1))
    assert any(isinstance(event, TooLong) for event in events)
    endpointer.cut(150_000)
    assert (endpointer.opened, endpointer.start, endpointer.floor) == (True, 150_000, 150_000)
    endpointer.cut(endpointer.position)
    assert endpointer.opened is False


@given(st.lists(st.tuples(st.sampled_from([SPEECH, SUSTAIN, SOFT, QUIET]), st.integers(1, 40)), max_size=40))
def test_events_are_always_well_formed(stretches: list[tuple[Vote, int]]) -> None:
    """Any votes: opens and ends alternate, growth, pauses and resumptions come between them, nothing overlaps."""
    endpointer = Endpointer(CONFIG, 0, 0)
    opened, paused, last_end = False, False, 0
    for vote, chunks in stretches:
        for _ in range(chunks):
            for event in endpointer.feed(vote):
                match event:
                    case Opened(start):
                        assert not opened
                        assert last_end <= start < endpointer.position
                        opened, paused = True, False
                    case Grew() | TooLong():
                        assert opened
                    case Paused():
                        assert opened
                        assert not paused
                        paused = True
                    case Resumed():
                        assert opened
                        assert paused
                        paused = False
                    case Ended(position, _):
                        assert opened
                        assert paused
                        opened, last_end = False, position
                        endpointer.floor = position
            assert endpointer.opened is opened
