"""The rules of the running operator, without a server and without waiting: queue, lease, gate, sentences, health."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from speechpipe_operator.kube import Capabilities
from speechpipe_operator.runtime.access import Question, questions, sentences
from speechpipe_operator.runtime.discovery import Cluster, Steady
from speechpipe_operator.runtime.health import START_SECONDS, Heart, Wellness
from speechpipe_operator.runtime.lease_core import Candidate, Record, Terms, Wait, Write
from speechpipe_operator.runtime.notices import merge_patch
from speechpipe_operator.runtime.queue_core import Backoff, QueueCore
from speechpipe_operator.runtime.rolling import LONGEST_SECONDS, RollGate

EVEN = 0.5
"""Chance that leaves a delay as it is."""


def queue() -> QueueCore[str]:
    """One whose delays are exact."""
    return QueueCore(Backoff(first=1, longest=8), chance=lambda: EVEN)


def test_a_key_waits_once_however_often_it_is_added():
    """Adding twice gives one piece of work."""
    core = queue()
    core.add("a", 0)
    core.add("a", 1)
    assert (core.take(2), core.take(2)) == ("a", None)


def test_a_key_added_while_it_is_worked_on_is_worked_on_once_more_but_not_at_the_same_time():
    """Serial per key, and no wish is lost."""
    core = queue()
    core.add("a", 0)
    assert core.take(0) == "a"
    core.add("a", 1)
    assert core.take(1) is None
    core.done("a", 2)
    assert core.take(2) == "a"


def test_failures_wait_longer_each_time_and_a_success_ends_the_row():
    """1, 2, 4, 8, 8 seconds; after a success 1 again."""
    core, now, waits = queue(), 0.0, []
    core.add("a", now)
    for failed in (True, True, True, True, True, False, True):
        assert core.take(now) == "a"
        core.done("a", now, failed=failed, again_in=None if failed else 0.0)
        due = core.next_at()
        assert due is not None
        waits.append(due - now)
        now = due
    assert waits == [1, 2, 4, 8, 8, 0, 1]


def test_what_is_planned_for_later_comes_at_the_earliest_wish_and_an_event_goes_first():
    """Of two delays the shorter counts; an event replaces both."""
    core = queue()
    core.add_at("a", 10)
    core.add_at("a", 5)
    core.add_at("a", 7)
    assert core.take(4.9) is None
    core.add("a", 4.9)
    assert core.take(4.9) == "a"
    core.done("a", 5)
    assert core.next_at() is None


@given(st.lists(st.tuples(st.sampled_from("adtfx"), st.sampled_from("xyz"), st.integers(0, 5)), max_size=60))
def test_no_wish_is_lost_and_no_key_is_worked_on_twice_at_once(steps: list[tuple[str, str, int]]):
    """Whatever is added, taken, finished, failed and forgotten: a key added and not forgotten is taken in the end."""
    core, working, wanted, now = queue(), set(), set(), 0.0
    for what, key, seconds in steps:
        now += seconds
        if what == "a":
            core.add(key, now)
            wanted.add(key)
        elif what == "d":
            core.add_at(key, now + seconds)
            wanted.add(key)
        elif what == "x":
            core.forget(key)
            wanted.discard(key)
        elif what == "t" and (taken := core.take(now)) is not None:
            assert taken not in working
            working.add(taken)
            wanted.discard(taken)
        elif what == "f" and working:
            core.done(working.pop(), now)
    for key in sorted(working):
        core.done(key, now)
    now += 100
    found = set()
    while (taken := core.take(now)) is not None:
        found.add(taken)
        core.done(taken, now)
    assert wanted <= found


TERMS = Terms(15)


def held_by(name: str, renewed: str = "1", version: str = "1") -> Record:
    """A lease of somebody."""
    return Record(name, 15, renewed, "0", 3, version)


def test_a_lease_is_taken_over_only_after_it_has_not_changed_for_its_length_as_seen_from_here():
    """Times written by the holder do not count; each renewal begins the wait anew."""
    candidate = Candidate("me", TERMS)
    assert candidate.consider(held_by("other", "1"), 0, "t") == Wait("other")
    assert candidate.consider(held_by("other", "2"), 14, "t") == Wait("other")
    assert candidate.consider(held_by("other", "2"), 28.9, "t") == Wait("other")
    write = candidate.consider(held_by("other", "2", "7"), 29, "t")
    assert isinstance(write, Write)
    assert (write.record.holder, write.record.transitions, write.record.version) == ("me", 4, "7")


@pytest.mark.parametrize("found", [None, held_by("")])
def test_a_lease_that_is_nobodys_is_taken_at_once(found: Record | None):
    """There is none, or it was given back."""
    assert isinstance(Candidate("me", TERMS).consider(found, 0, "t"), Write)


def test_a_holder_gives_up_before_anybody_else_may_begin():
    """Ten seconds after the last renewal was begun it is late; the other waits fifteen."""
    candidate = Candidate("me", TERMS)
    assert candidate.state(0) == "none"
    candidate.written(held_by("me"), 100)
    assert [candidate.state(now) for now in (109.9, 110, 114.9, 115)] == ["held", "late", "late", "over"]


def test_a_lease_is_renewed_without_reading_until_there_is_doubt():
    """The version is a precondition, so what we wrote last is enough; after a failure it has to be read."""
    candidate = Candidate("me", TERMS)
    candidate.written(held_by("me"), 0)
    assert candidate.ours == held_by("me")
    candidate.doubt()
    assert candidate.ours is None


def test_as_many_pipelines_roll_at_once_as_there_are_places():
    """A third waits until one of two has rolled, or has taken too long; a changed spec waits for nobody."""
    gate = RollGate(2)
    assert gate.enter("a", 0, spec_changed=False)
    assert gate.enter("b", 0, spec_changed=False)
    assert not gate.enter("c", 0, spec_changed=False)
    assert gate.enter("d", 0, spec_changed=True)
    gate.settle("a", wrote=True, rolling=True)
    assert not gate.enter("c", 1, spec_changed=False)
    gate.settle("a", wrote=False, rolling=True)
    assert not gate.enter("c", 1, spec_changed=False)
    gate.settle("a", wrote=False, rolling=False)
    assert gate.enter("c", 2, spec_changed=False)
    assert not gate.enter("e", 3, spec_changed=False)
    assert gate.enter("e", 3 + LONGEST_SECONDS, spec_changed=False)
    assert gate.enter("b", 4 + LONGEST_SECONDS, spec_changed=False)  # it has passed already


def test_a_pipeline_that_rolls_for_another_reason_keeps_no_place():
    """An image that can't be pulled since yesterday must not keep the upgrade from everybody else."""
    gate = RollGate(1)
    assert gate.enter("stuck", 0, spec_changed=False)
    gate.settle("stuck", wrote=False, rolling=True)
    assert gate.enter("next", 0, spec_changed=False)


def test_an_api_that_is_not_named_for_a_moment_is_not_taken_for_gone():
    """What appears is believed at once; what is missed must be missed three times in a row, for each API by itself."""
    steady, full, less = Steady(), Cluster(True, Capabilities(pod_monitors=True)), Cluster(True, Capabilities())
    assert steady.take(less) == less
    assert steady.take(full) == full
    assert [steady.take(one) for one in (less, less, full, less, less)] == [full] * 5
    assert steady.doubtful
    assert steady.take(less) == less
    assert not steady.doubtful


JSON = st.recursive(
    st.integers() | st.text() | st.booleans(), lambda inner: st.dictionaries(st.text(max_size=2), inner)
)


@given(st.dictionaries(st.text(max_size=2), JSON), st.dictionaries(st.text(max_size=2), JSON))
def test_a_merge_patch_makes_the_one_of_the_other(before: dict[str, Any], after: dict[str, Any]):
    """As RFC 7386 applies it; and nothing is patched where nothing differs."""
    assert merged(before, merge_patch(before, after)) == after
    assert merge_patch(after, after) == {}


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386 §2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def test_missing_rights_are_one_sentence_for_each_resource_and_one_for_a_dead_namespace():
    """What is missing, where, what follows, and which file grants it."""
    asked = questions(("here", "gone"), "ops")
    missing = [q for q in asked if q.namespace == "gone"]
    missing += [q for q in asked if q.namespace == "here" and q.need.resource == "pods"]
    first, second = sorted(sentences(missing, asked), key=len)
    assert first == (
        "the operator may not list, watch, patch pods in namespace here; what pods suffer from is not seen: "
        "grant it as operator/rbac/namespaced.yaml does"
    )
    assert second.startswith("the operator may do nothing in namespace gone: it does not exist, or no Role is bound")


def test_rights_to_what_the_cluster_does_not_serve_are_not_asked_for():
    """No PodMonitors, no need to be allowed to write them."""
    asked: tuple[Question, ...] = questions((), "ops", ["monitoring.coreos.com"])
    assert {q.need.resource for q in asked} & {"podmonitors", "deployments"} == {"deployments"}


def test_a_heart_that_stands_still_fails_the_liveness_probe_and_says_which():
    """/health is 503 with a sentence once a loop has not moved for its limit, and 200 before."""
    now = [0.0]
    heart, wellness = Heart("the event loop", 10, clock=lambda: now[0]), Wellness(CollectorRegistry())
    wellness.hearts = (heart,)
    now[0] = START_SECONDS
    assert wellness.health()[0] == 200
    heart.beat()
    now[0] += 10.5
    status, _, body = wellness.health()
    assert (status, json.loads(body)["reasons"]) == (503, ["the event loop has not moved for 10 s"])
    heart.beat()
    assert wellness.health()[0] == 200
