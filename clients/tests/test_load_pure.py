"""What decides in a load: who says what when, what belongs to what, figures, searches and verdicts."""

import random
from itertools import islice

import msgspec
import pytest

from speechpipe_client.errors import ProtocolError
from speechpipe_client.load.capacity import CapacitySearch
from speechpipe_client.load.legacy import decode
from speechpipe_client.load.outcome import cadence, outcomes
from speechpipe_client.load.record import HeardFinal, HeardPartial, Record
from speechpipe_client.load.report import ClientCost, Report, Stage
from speechpipe_client.load.schedule import Plan, cuts, entrances
from speechpipe_client.load.server import parse, waiting
from speechpipe_client.load.spread import spread
from speechpipe_client.load.talker import Clip, Framing, Said, Talker
from speechpipe_client.load.verdict import client_limits, keeps, sentences
from speechpipe_common.wire import FinalCaption, Realtime

FRAMING = Framing(100)


def clip(name: str, seconds: float = 1.0, text: str = "words") -> Clip:
    """Speech from 0.2 s on to 0.1 s before the end of a clip of that length."""
    return Clip(name, "en", text, FRAMING.cut(b"\1\0" * round(16_000 * seconds)), 0.2, seconds - 0.1)


def said(begin: float, seconds: float = 1.0, text: str = "words") -> Said:
    """The same at its place."""
    return Said(clip("c", seconds, text), begin)


# --- talking ------------------------------------------------------------------------------------------------------


def test_frames_are_whole_and_all_audio_is_in_them():
    """Whatever its length, a clip becomes frames of one size, the last one filled up with silence."""
    pcm = bytes(range(256)) * 33
    frames = Framing(20).cut(pcm)
    assert {len(frame) for frame in frames} == {640}
    assert b"".join(frames).rstrip(b"\0") == pcm.rstrip(b"\0")


def test_a_talker_says_each_clip_where_it_tells():
    """What a talker has given out is silence, but for its clips, which begin where ``said`` puts them."""
    talker = Talker([clip("a"), clip("b", 0.5)], FRAMING, 1.0, random.Random(1))
    frames = [talker.take() for _ in range(60)]
    assert talker.position == pytest.approx(6.0)
    spoken = {round(each.begin * 10) + number for each in talker.said for number in range(len(each.clip.frames))}
    assert {number for number, frame in enumerate(frames) if any(frame)} == spoken & set(range(60))
    assert [each.clip.name for each in talker.said[:2]] in (["a", "b"], ["b", "a"])


def test_a_talker_that_winds_up_ends_what_it_says():
    """After ``wind_up`` the clip that has begun is said to its end, and nothing but silence follows."""
    talker = Talker([clip("a")], FRAMING, 1.0, random.Random(1))
    while not talker.said or talker.position < talker.said[0].begin + 0.5:
        talker.take()
    talker.wind_up()
    silent, rest = [talker.silent], [talker.take() for _ in range(30)]
    assert [any(frame) for frame in rest] == [True] * 5 + [False] * 25
    assert [*silent, talker.silent] == [False, True]
    assert len(talker.said) == 1


def test_talkers_differ_and_can_be_had_again():
    """Two streams say things at different times; the same seed says the same."""

    def begins(seed: int) -> list[float]:
        talker = Talker([clip("a"), clip("b"), clip("c")], FRAMING, 1.0, random.Random(seed))
        for _ in range(200):
            talker.take()
        return [each.begin for each in talker.said]

    assert begins(1) == begins(1) != begins(2)


def test_streams_come_in_over_the_whole_ramp():
    """Starts are in order, within the ramp, in each step one; phases are spread over the ticks of a frame."""
    found = entrances(Plan(20, 10.0, 60.0), 0.1)
    assert all(number * 0.5 <= each.start <= (number + 1) * 0.5 for number, each in enumerate(found))
    assert sorted({each.phase for each in found}) == list(range(10))


def test_cuts_come_as_often_as_asked():
    """A stream's cuts are in order, at the asked mean distance, different for each stream; none unless asked for."""
    plan = Plan(2, 0.0, 60.0, drop=5.0)
    times = list(islice(cuts(plan, 0), 2000))
    assert times == sorted(times)
    assert times[-1] / 2000 == pytest.approx(5.0, rel=0.1)
    assert times != list(islice(cuts(plan, 1), 2000))
    assert list(cuts(Plan(2, 0.0, 60.0), 0)) == []


# --- what belongs to what -----------------------------------------------------------------------------------------


def test_the_final_that_reaches_the_end_counts():
    """Of two finals of one utterance, the text of both and the time of that which reaches its end count."""
    record = Record(began=100.0, finals=[HeardFinal(104.0, "one", 1.0, 3.0), HeardFinal(107.5, "two", 3.0, 6.2)])
    (outcome,), strays = outcomes([said(2.0, 4.0)], record)
    assert (outcome.text, outcome.complete, strays) == ("one two", True, 0)
    assert outcome.latency == pytest.approx(1.6)


def test_an_utterance_without_a_final_is_incomplete():
    """A final that ends long before the end of speech, or has no text, does not make an utterance complete."""
    record = Record(began=0.0, finals=[HeardFinal(9.0, "begin", 1.5, 3.0), HeardFinal(20.0, "", 10.0, 13.0)])
    first, second = outcomes([said(2.0, 5.0), said(11.0, 2.0)], record)[0]
    assert (first.latency, first.complete) == (None, False)
    assert second.latency == pytest.approx(7.1)
    assert not second.complete


def test_speech_without_a_known_text_needs_none():
    """Where nobody knows what was said, a final without a text may be right."""
    record = Record(began=0.0, finals=[HeardFinal(4.0, "", 1.5, 3.0)])
    assert outcomes([said(2.0, text="")], record)[0][0].complete


def test_a_final_of_nothing_is_a_stray():
    """Text for a time at which nobody spoke is counted, and given to no utterance."""
    record = Record(began=0.0, finals=[HeardFinal(9.0, "thank you", 5.0, 7.0)])
    (outcome,), strays = outcomes([said(2.0)], record)
    assert (outcome.text, strays) == ("", 1)


def test_a_late_partial_belongs_to_its_own_utterance():
    """The first partial is found by where its segment begins, even if it comes while the next one is being said."""
    record = Record(began=0.0, partials=[HeardPartial(5.5, "24000", 1.5), HeardPartial(6.0, "76800", 4.8)])
    first, second = outcomes([said(2.0), said(5.0)], record)[0]
    assert first.first_partial == pytest.approx(5.5 - 2.2)
    assert second.first_partial == pytest.approx(6.0 - 5.2)


def test_what_names_no_times_is_taken_in_order():
    """Finals of a peer that tells no times belong to what was said, one after the other."""
    record = Record(began=0.0, finals=[HeardFinal(4.0, "one"), HeardFinal(8.0, "two"), HeardFinal(9.0, "three")])
    first, second = outcomes([said(2.0), said(5.0)], record)[0]
    assert (first.text, second.text) == ("one", "two")
    assert second.latency == pytest.approx(8.0 - 5.9)
    assert outcomes([said(2.0), said(5.0)], record)[1] == 1


def test_gaps_are_those_within_a_segment():
    """Between the last partial of one segment and the first of the next there is no gap that counts."""
    at = [(1.0, "a"), (1.5, "a"), (5.0, "b"), (5.25, "b")]
    assert cadence(Record(partials=[HeardPartial(*each) for each in at])) == [0.5, 0.25]


def test_a_stream_is_answered_when_its_last_words_are():
    """A stream may stop once the final of what it said last is there, not before."""
    record = Record(began=0.0, finals=[HeardFinal(3.0, "one", 1.0, 2.9)])
    assert record.answered([])
    assert record.answered([said(2.0)])
    assert not record.answered([said(2.0), said(5.0)])


# --- figures ------------------------------------------------------------------------------------------------------


def test_percentiles_are_values_that_occurred():
    """Nearest rank: of a hundred values the 95th percentile is the 95th, and of three it is the largest."""
    assert spread([float(value) for value in range(100, 0, -1)]) == spread(range(1, 101))
    hundred, three = spread(range(1, 101)), spread([3.0, 1.0, 2.0])
    assert hundred is not None
    assert three is not None
    assert (hundred.count, hundred.p50, hundred.p95, hundred.p99, hundred.max) == (100, 50, 95, 99, 100)
    assert (three.p50, three.p95) == (2.0, 3.0)
    assert spread([]) is None


def test_a_process_tells_its_cost():
    """Both figures are read out of the text format; a process that tells only one of them tells nothing."""
    text = '# HELP x\nprocess_cpu_seconds_total 12.5\nprocess_resident_memory_bytes 1.5e+08\nother{a="b"} 3\n'
    assert parse(text) == (12.5, 1.5e8)
    assert parse("process_cpu_seconds_total 12.5\n") is None


def test_a_gateway_tells_what_waits():
    """Jobs that wait are read from a gateway; of a process that has no such figure none are known."""
    assert (
        waiting("# TYPE speechpipe_queue_jobs gauge\nspeechpipe_queue_jobs 3.0\nspeechpipe_queue_jobs_limit 9\n") == 3
    )
    assert waiting("process_cpu_seconds_total 12.5\n") == 0


@pytest.mark.parametrize("truth", [1, 2, 3, 7, 8, 40, 100, 333, 1000])
@pytest.mark.parametrize("first", [1, 10])
def test_a_search_finds_the_largest_number(truth: int, first: int):
    """Whatever a system holds is found to 5 %, with no more probes than doubling and halving need."""
    search, probes = CapacitySearch(first), 0
    while (streams := search.next()) is not None:
        search.record(streams, held=streams <= truth)
        probes += 1
    assert truth * 0.95 - 1 < search.best <= truth
    assert probes <= 20


def test_a_search_knows_its_ends():
    """Nothing held is 0; everything held is the most that may be tried, which is then no bound of the system."""
    nothing, everything = CapacitySearch(4), CapacitySearch(4, most=50)
    for search, held in ((nothing, False), (everything, True)):
        while (streams := search.next()) is not None:
            assert streams <= 50
            search.record(streams, held=held)
    assert (nothing.best, nothing.bounded) == (0, True)
    assert (everything.best, everything.bounded) == (50, False)


# --- verdicts -----------------------------------------------------------------------------------------------------


def stage(**changes: object) -> Stage:
    """A load of two streams without a flaw."""
    fine = Stage(
        streams=2,
        seconds=10.0,
        held=2,
        refused=0,
        failed=0,
        cuts=0,
        resumed=0,
        errors=0,
        utterances=4,
        complete=1.0,
        strays=0,
        final_latency=spread([1.0, 1.1]),
        beyond_silence=spread([0.2, 0.3]),
        first_partial=None,
        partial_gap=None,
        word_error_rate=0.0,
        bytes_sent=1,
        bytes_received=1,
        client=ClientCost(0.1, 0.05, 0.001, 0.002),
        servers=[],
        limited_by_client=False,
        verdict=[],
        per_stream=[],
        finals_at=[],
        partials_at=[],
    )
    return msgspec.structs.replace(fine, **changes)


@pytest.mark.parametrize(
    ("cost", "shared", "word"),
    [
        (ClientCost(0.9, 0.05, 0.0, 0.0), False, "event loop"),
        (ClientCost(0.5, 0.25, 0.0, 0.0), True, "25% of the machine"),
        (ClientCost(0.1, 0.05, 0.08, 0.2), False, "80 ms late"),
    ],
)
def test_a_load_says_that_it_was_the_limit(cost: ClientCost, shared: bool, word: str):
    """A busy loop, a fifth of the servers' machine, and late frames are each named."""
    (reason,) = client_limits(cost, shared=shared)
    assert word in reason


def test_a_load_that_is_no_limit_says_nothing():
    """A quarter of its own machine is no one's loss while the servers run elsewhere."""
    assert client_limits(ClientCost(0.5, 0.25, 0.01, 0.1), shared=False) == []


@pytest.mark.parametrize(
    "flaw",
    [
        {"beyond_silence": spread([0.2, 0.6])},
        {"beyond_silence": None},
        {"complete": 0.9},
        {"refused": 1},
        {"failed": 1},
    ],
)
def test_a_target_is_kept_only_by_a_whole_load(flaw: dict[str, object]):
    """Quick finals do not count while some are late or missing, or streams were refused or lost."""
    assert keeps(stage(), 0.5)
    assert not keeps(stage(**flaw), 0.5)


def test_what_went_wrong_is_said():
    """Refused and lost streams, missing finals and an early end are sentences with their numbers."""
    said = " ".join(sentences(stage(refused=1, failed=1, complete=0.75, stopped=True)))
    assert "1 of 2 streams were refused" in said
    assert "1 of 2 streams came to a bad end" in said
    assert "1 of 4 utterances were not finalised" in said
    assert "stopped after 10 s" in said
    assert sentences(stage()) == []


def test_a_report_survives_json():
    """What is written as JSON is read back equal."""
    report = Report("speechpipe", "audioeval", 0.8, 100, 2, [stage()], 0.5, 7)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report


# --- the legacy protocol ------------------------------------------------------------------------------------------


def test_messages_of_other_systems_are_understood():
    """Partials and finals that are nothing but a type and a text count; what else is said does not."""
    partial = decode('{"type": "realtime", "text": "so far"}')
    final = decode(b'{"type": "fullSentence", "text": "All of it."}')
    assert isinstance(partial, Realtime)
    assert isinstance(final, FinalCaption)
    assert (partial.text, final.text) == ("so far", "All of it.")
    assert decode('{"type": "recording_start"}') is None
    record = Record(began=0.0)
    record.hear(4.0, final)
    assert record.finals == [HeardFinal(4.0, "All of it.")]
    with pytest.raises(ProtocolError, match="no JSON object"):
        decode("hello")
