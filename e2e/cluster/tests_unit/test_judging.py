"""What the suite concludes from what it sees, without a cluster."""

import io
import json
from typing import Any

import msgspec
import pytest
from hearing import read, verdict
from pipelines import merged
from reach import Door, Vantage, wrong
from states import healthy, waits_for_a_node
from story import Story, documents

from speechpipe_common.wire import FinalCaption, Realtime

Json = dict[str, Any]


def final(segment: str, text: str, start: float, end: float) -> FinalCaption:
    """A final."""
    return FinalCaption(
        segment_id=segment,
        rev=1,
        text=text,
        language="en",
        start=start,
        end=end,
        words=(),
        continues=False,
        processing_time=0.1,
        cursor="1-0",
    )


def printed(*messages: object, said: list[Json] | None = None, failure: str | None = None) -> list[str]:
    """Lines of one caller, as ``talk.py`` prints them."""
    lines = [
        json.dumps({"caller": "c", "at": 1.0 + n, "message": msgspec.to_builtins(m)}) for n, m in enumerate(messages)
    ]
    end = {"caller": "c", "at": 9.0, "said": said or [], "failure": failure, "errors": [], "resumed": 0, "session": "s"}
    return [*lines, json.dumps(end)]


SAID = [{"text": "hello world", "start": 0.0, "end": 1.0}]
HEARD = final("1", "Hello world.", 0.0, 1.0)


def test_everything_once_is_clean() -> None:
    """A final for what was said, and nothing else, is a clean verdict, and its time is that of its line."""
    outcomes = read(printed(HEARD, said=SAID))
    assert verdict(list(outcomes.values()), {"c": None}).clean
    assert outcomes["c"].first_caption() == 1.0
    assert outcomes["c"].text == "Hello world."


def test_a_doubled_final_is_counted() -> None:
    """The same final twice on the wire is a double."""
    figures = verdict(list(read(printed(HEARD, HEARD, said=SAID)).values()), {"c": None})
    assert (figures.doubled, figures.clean) == (1, False)


def test_a_lost_final_is_counted() -> None:
    """A clip without a final is lost, even where another was heard."""
    said = [*SAID, {"text": "the quick brown fox", "start": 2.0, "end": 3.0}]
    figures = verdict(list(read(printed(HEARD, said=said)).values()), {"c": None})
    assert (len(figures.lost), figures.clean) == (1, False)


def test_a_failed_or_unfinished_caller_is_no_verdict() -> None:
    """A session that failed, or of which the end is missing, is an error whatever it heard."""
    with pytest.raises(AssertionError, match="gateway gone"):
        verdict(list(read(printed(HEARD, said=SAID, failure="gateway gone")).values()), {"c": None})
    with pytest.raises(AssertionError, match="not ended"):
        verdict(list(read(printed(HEARD, said=SAID)[:-1]).values()), {"c": None})


def test_a_line_that_is_cut_short_is_left_out() -> None:
    """A log that is still being written ends in the middle of a line."""
    lines = printed(HEARD, said=SAID)
    assert len(read([lines[0], lines[0][:20]])["c"].messages) == 1


def test_partials_count_as_first_words_and_empty_ones_do_not() -> None:
    """The first caption is the first message with words in it."""
    partial = Realtime(
        segment_id="1", rev=1, text="", committed="", tail="", language="en", processing_time=0.1, cursor="1-0"
    )
    outcome = read(printed(partial, msgspec.structs.replace(partial, rev=2, text="he", tail="he"), HEARD))["c"]
    assert outcome.first_caption() == 2.0


def status(ready: str, reason: str, **others: Any) -> Json:
    """A status with one condition."""
    return {"conditions": [{"type": "Ready", "status": ready, "reason": reason, "message": ""}], **others}


def test_documents_of_a_watch_are_told_apart() -> None:
    """Indented objects that follow one another are read one by one, whatever stands in their strings."""
    given = [{"a": {"b": "}\n{"}}, {"c": 1}]
    text = "".join(json.dumps(item, indent=4) + "\n" for item in given)
    assert list(documents(io.StringIO(text))) == given


def test_a_story_is_about_what_came_after_the_mark() -> None:
    """What was said before the mark does not count, the last status does; a reason has to fit where one is given."""
    story = Story([status("False", "Starting"), status("True", "AllReady")])
    assert story.said("Ready", "False")
    story.mark()
    assert not story.said("Ready", "False")
    story.statuses.append(status("False", "RollingOut"))
    assert story.said("Ready", "False", "RollingOut", "Starting")
    assert not story.said("Ready", "False", "Starting")


def pipeline(generation: int = 1, seen: int = 1, ready: str = "True", progressing: str = "False", stt: int = 2) -> Json:
    """A pipeline that wants two workers."""
    conditions = [{"type": "Ready", "status": ready}, {"type": "Progressing", "status": progressing}]
    counts = {"stt": {"ready": stt, "desired": 2}}
    return {
        "metadata": {"generation": generation},
        "status": {"observedGeneration": seen, "conditions": conditions, **counts},
    }


@pytest.mark.parametrize(
    "wrong_somehow", [{"generation": 2}, {"ready": "False"}, {"progressing": "True"}, {"stt": 1}, {"ready": "Unknown"}]
)
def test_only_a_whole_pipeline_is_healthy(wrong_somehow: Json) -> None:
    """Ready, at rest, with all its pods, about the spec that it has: each of these is needed."""
    assert healthy(pipeline())
    assert not healthy(pipeline(**wrong_somehow))


def test_a_pod_without_a_node_is_known_by_the_schedulers_word() -> None:
    """Pending for other reasons is no waiting for a node."""
    told = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    assert waits_for_a_node({"status": {"conditions": [told]}})
    assert not waits_for_a_node({"status": {"phase": "Pending", "conditions": [told | {"reason": "SchedulingGated"}]}})


def test_doors_that_open_or_stay_shut_against_the_wish_are_said() -> None:
    """What can be reached and should not, and the other way round, are sentences; the rest is silence."""
    doors = [Door("A", "1:1"), Door("B", "2:2"), Door("C", "3:3")]
    vantage = Vantage("somebody", "a", "pod", frozenset({"A", "B"}))
    assert wrong(vantage, doors, {"A": True, "B": True, "C": False}) == []
    assert wrong(vantage, doors, {"A": False, "B": True, "C": True}) == [
        "somebody can't connect to A",
        "somebody can connect to C",
    ]


def test_specs_are_merged_by_key() -> None:
    """Mappings are merged, None removes, lists and numbers are replaced, and the first is left as it was."""
    under = {"a": {"b": 1, "c": 2}, "d": [1]}
    assert merged(under, {"a": {"c": None, "e": 3}, "d": [2]}) == {"a": {"b": 1, "e": 3}, "d": [2]}
    assert under == {"a": {"b": 1, "c": 2}, "d": [1]}
