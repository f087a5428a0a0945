"""The session core as a timeline: votes, results and the clock in; jobs and messages out."""

import itertools
from dataclasses import replace

import msgspec
import pytest
from session_world import CONFIG, QUIET, SOFT, SPEECH, World, transcript

from speechpipe_common.messages import Delivery, Failure, SegmentRecord, Transcript, Translated
from speechpipe_common.store import StoredSession
from speechpipe_common.wire import AudioAck, Error, FinalCaption, Realtime, SpeechStarted, Translation
from speechpipe_gateway.session import CHUNK, Close, Options, Promote, Release, Replay, Submit, restore


def spoken(seconds: float = 2.0) -> World:
    """A session with one utterance after two seconds of silence, ended by silence."""
    world = World.new()
    world.hear(QUIET, 2.0)
    world.hear(SPEECH, seconds)
    world.hear(QUIET, 1.0)
    return world


def test_a_pause_makes_a_candidate_and_the_end_promotes_it() -> None:
    """An utterance with a clean end has one candidate that becomes the final, and no final job."""
    world = spoken()
    [candidate] = world.jobs("candidate")
    assert world.jobs("final") == []
    [promotion] = world.of(Promote)
    assert (promotion.segment, promotion.rev) == (candidate.segment, candidate.rev)
    assert promotion.record.end == candidate.end
    assert candidate.start == pytest.approx(16_000, abs=512)
    assert candidate.end >= 64_000 + CONFIG.candidate - 512
    assert len(world.messages(SpeechStarted)) == 1


def test_speech_after_the_pause_makes_the_candidate_a_partial() -> None:
    """When speech resumes before the threshold nothing is promoted, and the segment goes on."""
    world = World.new()
    world.hear(SPEECH, 1.5)
    world.hear(QUIET, 0.5)
    world.hear(SPEECH, 1.0)
    world.hear(QUIET, 1.0)
    first, second = world.jobs("candidate")
    assert first.segment == second.segment
    assert [p.rev for p in world.of(Promote)] == [second.rev]
    assert second.end > first.end


def test_soft_speech_after_the_candidate_is_decoded_again() -> None:
    """Something faint behind the candidate's end makes a final over all of it instead of a promotion."""
    world = World.new()
    world.hear(SPEECH, 1.5)
    world.hear(QUIET, 0.4)
    world.hear(SOFT, 0.1)
    world.hear(QUIET, 0.5)
    [candidate], [final] = world.jobs("candidate"), world.jobs("final")
    assert list(world.of(Promote)) == []
    assert final.end > candidate.end
    assert final.segment == candidate.segment


def test_a_click_is_no_utterance() -> None:
    """Speech shorter than the minimum makes no job and no message."""
    world = World.new()
    world.hear(SPEECH, 0.1)
    world.hear(QUIET, 2.0)
    assert world.jobs() == []
    assert world.messages(SpeechStarted) == []


def test_one_partial_is_in_flight_and_the_next_goes_out_when_it_returns() -> None:
    """Partials wait for the one before, then take all audio since."""
    world = World.new()
    world.hear(SPEECH, 3.0)
    [first] = world.jobs("partial")
    world.deliver(transcript(first))
    world.hear(SPEECH, 0.1)
    _, second = world.jobs("partial")
    assert second.end > 3.0 * 16_000
    assert second.rev > first.rev


def test_a_long_turn_is_cut_at_its_quietest_place_and_nothing_is_left_out() -> None:
    """Segments of unbroken speech follow each other without gap or overlap, each within the longest length."""
    world = World.new()
    for _ in range(8):
        world.hear(SPEECH, 3.9)
        world.hear(SPEECH, 0.2, level=30)
    world.hear(QUIET, 1.0)
    finals = world.jobs("final")
    assert len(finals) >= 3
    ends = [(job.start, job.end) for job in finals]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(ends))
    assert all(end - start <= CONFIG.longest for start, end in ends)
    assert len({job.turn for job in finals}) == 1
    for _, end in ends:
        into = (end / 16_000) % 4.1
        assert 3.85 <= into <= 4.1, f"cut at {into:.2f} s of a 4.1 s pattern that is quiet from 3.9 s on"


def test_a_cut_never_goes_behind_committed_words() -> None:
    """What two partials agreed on stays in the segment even when the quietest place is before it."""
    world = World.new()
    world.hear(SPEECH, 7.0)
    world.hear(SPEECH, 0.2, level=10)
    world.hear(SPEECH, 0.6)
    for text in ("nothing yet", "one two", "one two"):
        world.deliver(transcript(world.jobs("partial")[-1], text))
        world.hear(SPEECH, 0.6)
    until = world.core.ledger.segments[world.jobs()[0].segment].stabiliser.committed_until
    world.hear(SPEECH, 2.0)
    final = world.jobs("final")[0]
    assert until > 7.2 * 16_000  # the quiet place is behind it
    assert final.end >= until


def test_a_final_is_delivered_once_and_no_partial_follows_it() -> None:
    """Doubled finals, late partials and lower revisions never reach the client."""
    world = spoken()
    partial, [candidate] = world.jobs("partial")[0], world.jobs("candidate")
    world.deliver(transcript(candidate, kind="final"))
    world.deliver(transcript(candidate, kind="final"), entry="77-0")
    world.deliver(transcript(partial))
    assert len(world.messages(FinalCaption)) == 1
    assert world.messages(Realtime) == []


def test_an_older_revision_is_not_shown_after_a_newer() -> None:
    """Partials that overtake each other are shown in rising order only."""
    world = World.new()
    world.hear(SPEECH, 1.0)
    job = world.jobs("partial")[0]
    world.deliver(transcript(job, rev=job.rev + 5))
    world.deliver(transcript(job))
    assert [m.rev for m in world.messages(Realtime)] == [job.rev + 5]


def test_a_final_that_does_not_come_is_submitted_again() -> None:
    """After the deadline the same segment and revision goes out again, naming the entry before."""
    world = spoken()
    [candidate] = world.jobs("candidate")
    world.core.submitted(candidate, "ok", "9-9")
    world.now += CONFIG.resubmit_seconds + 1
    effects = world.core.tick(world.now, listening=True)
    [again] = [e for e in effects if hasattr(e, "mend")]
    assert (again.job.kind, again.job.rev, again.mend) == ("final", candidate.rev, True)


def test_missing_audio_is_mended_at_once() -> None:
    """A worker that found a hole makes the gateway look at the audio and submit again, and the client sees nothing."""
    world = spoken()
    [candidate] = world.jobs("candidate")
    before = len(world.messages())
    effects = world.deliver(
        Failure(segment=candidate.segment, rev=candidate.rev, code="audio_missing", message="", retry=True)
    )
    assert [e.mend for e in effects if hasattr(e, "mend")] == [True]
    assert len(world.messages()) == before


def test_jobs_and_records_say_whether_words_are_wanted() -> None:
    """What the client said of the times of words reaches the workers, and whoever takes the session over."""
    world = World.new(options=Options(source="en", words=False))
    world.hear(SPEECH, 1.0)
    world.hear(QUIET, 1.0)
    records = [e.record for e in world.effects if isinstance(e, Submit) and e.record]
    assert [job.words for job in world.jobs("candidate")] == [False]
    assert {record.words for record in records} == {False}


def test_translations_are_owed_until_they_come() -> None:
    """A final's translation jobs are resubmitted when overdue; each language is delivered once."""
    world = World.new(options=Options(source="en", targets=("es", "fr")))
    world.hear(SPEECH, 1.0)
    world.hear(QUIET, 1.0)
    [candidate] = world.jobs("candidate")
    world.deliver(transcript(candidate, kind="final"), jobs={"es": "5-0", "fr": "5-1"})
    spanish = Translated(
        segment=candidate.segment, rev=1, final=True, text="hola", source="en", language="es", processing_time=0.1
    )
    world.deliver(spanish, entry="6-0")
    world.deliver(spanish, entry="7-0")
    assert [(m.language, m.is_final) for m in world.messages(Translation)] == [("es", True)]
    world.now += CONFIG.resubmit_seconds + 1
    effects = world.core.tick(world.now, listening=True)
    assert [(e.job.target, e.previous) for e in effects if hasattr(e, "previous")] == [("fr", "5-1")]


def test_a_final_translation_is_no_older_revision_than_the_partial_before_it() -> None:
    """A partial's translation has the partial's revision, which the final's is not below, whenever either was asked."""
    world = World.new(options=Options(source="en", targets=("es",)))
    world.hear(SPEECH, 1.2)
    world.deliver(transcript(world.jobs("partial")[-1], "hello there"))
    world.hear(SPEECH, 0.8)
    world.hear(QUIET, 0.5)
    [candidate] = world.jobs("candidate")
    world.deliver(transcript(world.jobs("partial")[-1], "hello there you"))
    [asked] = world.texts()
    assert asked.job.rev == world.jobs("partial")[-1].rev < candidate.rev


def test_stop_closes_only_when_finals_and_translations_are_out() -> None:
    """The close comes after the last translation, not before."""
    world = World.new(options=Options(source="en", targets=("es",)))
    world.hear(SPEECH, 1.0)
    assert not any(isinstance(e, Close) for e in world.take(world.core.stop(world.now)))
    [final] = world.jobs("final")
    effects = world.deliver(transcript(final), jobs={"es": "5-0"})
    assert not any(isinstance(e, Close) for e in effects)
    effects = world.deliver(
        Translated(segment=final.segment, rev=1, final=True, text="x", source="en", language="es", processing_time=0),
        entry="6-0",
    )
    assert [e.finished for e in effects if isinstance(e, Close)] == [True]


def test_a_dead_letter_ends_its_segment_with_one_error() -> None:
    """The client is told which segment failed; nothing is submitted again for it."""
    world = spoken()
    [candidate] = world.jobs("candidate")
    failure = Failure(segment=candidate.segment, rev=candidate.rev, code="gave_up", message="crashed", retry=False)
    world.deliver(failure, entry="5-0")
    world.deliver(failure, entry="6-0")
    assert [m.segment_id for m in world.messages(Error)] == [str(candidate.segment)]
    world.now += 100
    assert not [e for e in world.core.tick(world.now, listening=True) if hasattr(e, "job")]


def test_a_turn_whose_segment_failed_ends_as_others_do() -> None:
    """The next utterance is a turn of its own, and the client hears of its onset."""
    world = World.new()
    world.hear(SPEECH, 2.0)
    [partial] = world.jobs("partial")
    world.deliver(Failure(segment=partial.segment, rev=partial.rev, code="gave_up", message="", retry=False))
    world.hear(QUIET, 2.0)
    world.hear(SPEECH, 2.0)
    last = world.jobs()[-1]
    assert last.turn == last.segment != partial.turn
    assert [m.segment_id for m in world.messages(SpeechStarted)] == [str(partial.segment), str(last.segment)]


def test_a_segment_that_is_said_to_go_on_does() -> None:
    """Where every word is settled up to the cut, one opens there nevertheless, even if silence follows at once."""
    world = World.new(replace(CONFIG, longest=313 * CHUNK, partial_every=CHUNK))
    heard = 0
    while not world.jobs("final"):
        world.hear(SPEECH, CHUNK / 16_000)
        for job in world.jobs("partial")[heard:]:
            heard += 1
            world.deliver(transcript(job, " ".join(["la"] * heard)))
    world.hear(QUIET, 2.0)
    [cut] = world.jobs("final")
    assert cut.end >= 310 * CHUNK
    assert world.jobs("candidate")[-1].start == cut.end


def test_audio_that_stops_coming_ends_the_turn() -> None:
    """A wall-clock stall of the silence threshold finalises; while it is us who do not read it does not."""
    world = World.new()
    world.hear(SPEECH, 1.0)
    world.now += 5
    assert not [e for e in world.core.tick(world.now, listening=False) if hasattr(e, "job")]
    world.now += 0.9
    effects = world.core.tick(world.now, listening=True)
    assert [e.job.kind for e in effects if hasattr(e, "job")] == ["final"]


def test_memory_does_not_grow_with_silence_or_speech() -> None:
    """Ten minutes of silence, then of speech with finals coming, leave little on the tape, and audio is released."""
    world = World.new()
    world.hear(QUIET, 600)
    assert world.core.tape.end - world.core.tape.start <= 2 * CONFIG.pre_speech
    assert world.jobs() == []
    done = 0
    for _ in range(100):
        world.hear(SPEECH, 1.0)
        finals = world.jobs("final")
        for job in finals[done:]:
            world.deliver(transcript(job))
        done = len(finals)
    assert world.core.tape.end - world.core.tape.start <= 2 * CONFIG.longest
    assert list(world.of(Release))
    acks = [m.offset for m in world.messages(AudioAck)]
    assert acks == sorted(set(acks))


def test_too_many_pending_finals_stop_the_intake() -> None:
    """Audio is not wanted while the longest allowed row of segments waits for finals, and is again after one came."""
    world = World.new()
    for _ in range(CONFIG.max_pending):
        world.hear(SPEECH, 1.0)
        world.hear(QUIET, 1.0)
    assert not world.core.wants_audio
    world.deliver(transcript(world.jobs("candidate")[0], kind="final"))
    assert world.core.wants_audio


# --- takeover ---------------------------------------------------------------------------------------------------------


def record_of(world: World, job: object) -> SegmentRecord:
    """The record that went to Redis with a job."""
    [found] = [e.record for e in world.effects if isinstance(e, Submit) and e.job is job and e.record is not None]
    return found


def test_an_open_segment_is_cut_again_under_the_same_id() -> None:
    """The gateway that takes over listens from the segment's start, silence included, and its final has the same id."""
    old = World.new()
    old.hear(QUIET, 2.0)
    old.hear(SPEECH, 2.0)
    partial = old.jobs("partial")[-1]
    stored = StoredSession(2, {**old.core.fields}, (record_of(old, partial),), ())
    restored = restore(stored, "0-0", 0)
    assert restored.position <= partial.segment
    new = World.resumed(restored, "0-0")
    new.hear(QUIET, (partial.segment - restored.position + CONFIG.pre_speech) / 16_000)
    new.hear(SPEECH, 3.0)
    new.hear(QUIET, 1.0)
    segments = {job.segment for job in new.jobs()}
    assert segments == {partial.segment}
    assert min(job.rev for job in new.jobs()) > partial.rev


def test_a_closed_segment_is_awaited_and_not_cut_again() -> None:
    """A segment whose final is under way is answered for, and its audio makes no second segment."""
    record = SegmentRecord(turn=0, start=0, end=48_000, rev=1_000_001, language="en", targets=())
    restored = restore(StoredSession(2, {"acked": "0", "source": "en"}, (record,), ()), "0-0", 0)
    new = World.resumed(restored, "0-0")
    new.hear(SPEECH, 3.0)
    new.hear(QUIET, 1.0)
    assert new.jobs() == []
    new.now += CONFIG.resubmit_seconds
    effects = new.core.tick(new.now, listening=True)
    assert [(e.job.segment, e.job.end, e.mend) for e in effects if hasattr(e, "mend")] == [(0, 48_000, True)]


def test_audio_keeps_its_place_when_finals_come_before_it() -> None:
    """Finals that the old gateway's jobs bring while the client is still sending again do not shift what follows."""
    first = SegmentRecord(turn=0, start=0, end=48_000, rev=1_000_001, language="en", targets=())
    second = msgspec.structs.replace(first, turn=64_000, start=64_000, end=112_000, rev=1_000_002)
    restored = restore(StoredSession(2, {"acked": "0", "source": "en"}, (first, second), ()), "0-0", 0)
    new = World.resumed(restored, "0-0")
    new.hear(QUIET, 1.0)
    heard = new.core.tape.end
    new.deliver(
        Transcript(
            segment=0,
            rev=1_000_001,
            kind="final",
            start=0,
            end=48_000,
            text="hello",
            language="en",
            language_probability=1.0,
            processing_time=0.1,
        )
    )
    assert new.core.tape.end == heard


def test_missed_results_are_replayed_and_known_ones_are_not() -> None:
    """After a resume the client gets exactly what came after its cursor."""
    world = spoken()
    [job] = world.jobs("candidate")
    first = Delivery(id="5-0", body=transcript(job, "one", kind="final"))
    second = Delivery(id="6-0", body=transcript(job, "two", kind="final", segment=90_000, start=90_000, end=100_000))
    stored = StoredSession(2, {"acked": "0"}, (), (first, second))
    new = World.resumed(restore(stored, "5-0", 0), "5-0")
    assert [m.text for m in new.messages(FinalCaption)] == ["two"]


def test_what_follows_a_final_of_the_old_gateway_is_not_lost() -> None:
    """When the old gateway promoted a candidate and died, speech after that candidate becomes a segment of its own."""
    record = SegmentRecord(turn=0, start=0, end=None, rev=1_000_001, language="en", targets=())
    restored = restore(StoredSession(2, {"acked": "0", "source": "en"}, (record,), ()), "0-0", 0)
    new = World.resumed(restored, "0-0")
    new.hear(SPEECH, 4.0)
    partial = new.jobs("partial")[0]
    promoted = transcript(msgspec.structs.replace(partial, end=16_000), "first", kind="final")
    new.deliver(promoted)
    new.hear(SPEECH, 1.0)
    new.hear(QUIET, 1.0)
    assert new.jobs()[-1].segment == 16_000
    assert [m.segment_id for m in new.messages(FinalCaption)] == ["0"]


def test_done_elsewhere_asks_for_a_replay() -> None:
    """A submission that finds the segment done makes the gateway read what it missed."""
    world = spoken()
    [candidate] = world.jobs("candidate")
    assert world.core.submitted(candidate, "done", "") == [Replay()]


def test_the_marks_of_a_cut_are_taken_out_of_the_text() -> None:
    """Dots and dashes that Whisper puts where we cut are not shown; those of the speaker stay."""
    world = World.new()
    world.hear(SPEECH, 12.0)
    world.hear(QUIET, 1.0)
    for job in [*world.jobs("final"), world.jobs("candidate")[-1]]:
        world.deliver(transcript(job, "...and so—", kind="final"))
    texts = [m.text for m in world.messages(FinalCaption)]
    assert texts[0] == "...and so"
    assert texts[-1] == "and so—"


def test_a_partial_carries_the_newest_translation_of_the_one_before() -> None:
    """Clients that read only ``realtime`` see a translation too, as in the system that this one replaces."""
    world = World.new(options=Options(source="en", targets=("es", "fr")))
    world.hear(SPEECH, 1.0)
    segment = world.jobs("partial")[0].segment
    for text in ("one two", "one two", "one two three"):
        world.deliver(transcript(world.jobs("partial")[-1], text))
        world.hear(SPEECH, 1.1)
        if text == "one two" and world.texts():
            for language in ("fr", "es"):
                world.deliver(
                    Translated(
                        segment=segment,
                        rev=world.texts()[0].job.rev,
                        final=False,
                        text=f"in {language}",
                        source="en",
                        language=language,
                        processing_time=0.1,
                    )
                )
    assert [m.translation for m in world.messages(Realtime)] == [None, None, "in es"]
