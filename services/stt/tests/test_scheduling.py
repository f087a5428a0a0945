"""What a worker decodes next, without a model or a clock."""

from collections.abc import Hashable
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_common.messages import AudioJob, JobKind
from speechpipe_common.scheduling import PARTIALS_SECONDS, Pace
from speechpipe_stt.scheduling import Waiting, choose, overtaken, size

JOB = AudioJob(client="a", epoch=1, segment=0, rev=1, kind="final", turn=0, start=0, end=16_000, submitted_at=0.0)
FAST = Pace(prior=0.0)


@dataclass(frozen=True, eq=False)
class Speech:
    """A task that says what it is told to."""

    group: Hashable = 4
    seconds: float = 4.0


def waiting(kind: JobKind = "final", client: str = "a", due: float = 0.0, group: int = 4, **job: int) -> Waiting:
    """A job with a task."""
    return Waiting(msgspec.structs.replace(JOB, kind=kind, client=client, **job), Speech(group, float(group)), due)


def test_nothing_waits() -> None:
    """Of nothing, nothing is chosen."""
    assert choose([], 8, FAST) == []


def test_finals_and_candidates_go_before_partials() -> None:
    """A partial is decoded only when no final and no candidate waits, however long it has waited."""
    partial, candidate, final = waiting("partial", due=0), waiting("candidate", due=1), waiting("final", due=2)
    assert choose([partial, final, candidate], 8, FAST) == [candidate, final]
    assert choose([partial], 8, FAST) == [partial]


def test_a_call_holds_one_group() -> None:
    """The oldest decides on the group, and those of its group come along up to the bound, the oldest first."""
    old, other, third, second = (waiting(due=due, group=group) for due, group in ((0, 4), (1, 8), (3, 4), (2, 4)))
    assert choose([third, other, second, old], 8, FAST) == [old, second, third]
    assert choose([third, other, second, old], 2, FAST) == [old, second]


def test_a_client_with_much_to_say_does_not_keep_others_waiting() -> None:
    """Each client's first job goes before any client's second."""
    talkative = [waiting(client="a", due=due) for due in range(5)]
    quiet = waiting(client="b", due=10)
    assert choose([*talkative, quiet], 2, FAST) == [talkative[0], quiet]


def test_partials_are_kept_short() -> None:
    """A call for partials takes no longer than predicted to be bearable for a final, but always takes one."""
    partials = [waiting("partial", client=str(index), due=index) for index in range(8)]
    pace = Pace(prior=PARTIALS_SECONDS / 3 / 5)  # three of them: each counts its 4 s and one more
    assert choose(partials, 8, pace) == partials[:3]
    assert choose(partials, 8, Pace(prior=1.0)) == partials[:1]
    finals = [waiting(client=str(index), due=index) for index in range(8)]
    assert choose(finals, 8, pace) == finals


def test_the_pace_is_learned() -> None:
    """After some calls the prediction is what such calls take, whatever was believed before."""
    pace, tasks = Pace(prior=10.0), [Speech(), Speech()]
    for _ in range(60):
        pace.learn(size(tasks), 0.4)
    assert pace.predict(size(tasks)) == pytest.approx(0.4, rel=0.01)
    assert pace.predict(size(tasks[:1])) == pytest.approx(0.2, rel=0.01)


def test_a_newer_job_of_the_segment_makes_a_partial_stale() -> None:
    """A partial is overtaken by any later job of its own segment, by no other, and a final never is."""
    first, second = waiting("partial", rev=1), waiting("partial", rev=2)
    elsewhere, final = waiting("partial", rev=3, segment=5), waiting("final", rev=4, client="b")
    assert overtaken(first, [first, second, elsewhere, final])
    assert not overtaken(second, [first, second, elsewhere, final])
    assert not overtaken(final, [final, waiting("final", rev=9, client="b")])


kinds = st.sampled_from(["partial", "candidate", "final"])
jobs = st.lists(
    st.builds(waiting, kinds, st.sampled_from("abc"), st.integers(0, 9), st.sampled_from([4, 8])), max_size=30
)


@given(jobs, st.integers(1, 8))
def test_every_choice_is_sound(jobs: list[Waiting], most: int) -> None:
    """A choice is of one kind and group, no longer than the bound, empty only when nothing waits, each once."""
    chosen = choose(jobs, most, FAST)
    assert bool(chosen) == bool(jobs)
    assert len(chosen) <= most
    assert len({id(each) for each in chosen}) == len(chosen)
    assert len({(each.task.group, each.partial) for each in chosen}) <= 1


@given(jobs)
def test_everybody_has_a_turn(jobs: list[Waiting]) -> None:
    """Choosing again and again decodes each waiting job exactly once."""
    left, seen = list(jobs), []
    while left:
        chosen = choose(left, 4, FAST)
        seen += chosen
        left = [each for each in left if each not in chosen]
    assert sorted(map(id, seen)) == sorted(map(id, jobs))
