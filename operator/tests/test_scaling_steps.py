"""Who goes when there are to be fewer workers, and when: never one that holds work. Pure."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from speechpipe_operator.autoscaling.crew import (
    QUIET_SECONDS,
    VICTIM_COST,
    Hand,
    choose_victims,
    deletion_class,
    removable,
    workers_of,
)
from speechpipe_operator.autoscaling.steps import Steps, next_steps
from speechpipe_operator.autoscaling.types import Workers
from speechpipe_operator.observed import ContainerTrouble, Observed, PodState, WorkloadState


def pod(name: str, **changes: object) -> PodState:
    """A ready pod, with what is different."""
    ready = PodState(
        name=name,
        uid=name,
        component="stt",
        resource_version="1",
        owner="rs",
        phase="Running",
        ready=True,
        scheduled=True,
        created=0.0,
    )
    return replace(ready, **changes)


def hand(name: str, pending: int = 0, cordon: str = "", cordoned_for: float = 0.0, **changes: object) -> Hand:
    """A worker on a ready pod."""
    return Hand(pod(name, **changes), pending, cordon, cordoned_for)


def workload(desired: int, existing: int, **changes: object) -> WorkloadState:
    """A Deployment at rest."""
    rest = WorkloadState(
        kind="Deployment",
        name="p-stt",
        component="stt",
        uid="u",
        resource_version="1",
        desired=desired,
        generation=1,
        observed_generation=1,
        updated=existing,
        existing=existing,
    )
    return replace(rest, **changes)


UNSCHEDULED = {"scheduled": False, "ready": False, "phase": "Pending"}
NOT_READY = {"ready": False}
MARKED = {"deletion_cost": VICTIM_COST, "cordoned": True}


def test_a_scale_down_goes_cordon_mark_scale() -> None:
    """Three looks: the youngest idle worker is told, then, drained, marked, and only then is the number lowered."""
    old, young = hand("old", created=1.0), hand("young", created=2.0)
    assert next_steps(1, workload(2, 2), [old, young]) == Steps(cordon=("young",), waits_for=(young,))
    busy = replace(young, cordon="seen", pending=1)
    assert next_steps(1, workload(2, 2), [old, busy]) == Steps(cordon=("young",), waits_for=(busy,))
    drained = replace(young, cordon="seen")
    assert next_steps(1, workload(2, 2), [old, drained]) == Steps(cordon=("young",), mark=(drained,))
    marked = hand("young", cordon="seen", created=2.0, **MARKED)
    assert next_steps(1, workload(2, 2), [old, marked]) == Steps(replicas=1, cordon=("young",))


def test_a_worker_told_stays_the_one_that_goes() -> None:
    """While one stands aside, a younger or idler one does not take its place."""
    chosen = hand("chosen", pending=3, cordon="asked", created=1.0)
    (victim,) = choose_victims([hand("idle", created=9.0), chosen], 1)
    assert victim == chosen


def test_load_that_returns_takes_it_all_back() -> None:
    """Workers that stood aside work again, and cost what others cost, as soon as they are needed."""
    marked = hand("b", cordon="seen", **MARKED)
    assert next_steps(2, workload(2, 2), [hand("a"), marked]) == Steps(uncordon=("b",), unmark=(marked,))
    steps = next_steps(3, workload(2, 2), [hand("a"), marked])
    assert steps == Steps(replicas=3, uncordon=("b",), unmark=(marked,))


def test_no_victim_is_taken_back_while_its_end_may_be_under_way() -> None:
    """Between asking for fewer and the pod's end, a victim that took a job again would be killed with it."""
    hands = [hand("a"), hand("b", cordon="seen", **MARKED)]
    unseen = workload(1, 2, generation=2)
    assert next_steps(2, unseen, hands) == Steps(replicas=2, cordon=("b",))
    not_ended_yet = workload(1, 2)
    assert next_steps(1, not_ended_yet, hands) == Steps(cordon=("b",))
    assert next_steps(2, not_ended_yet, hands) == Steps(replicas=2, cordon=("b",))


def test_a_pod_without_a_node_goes_first_and_at_once() -> None:
    """It holds nothing, nobody has to wait for it, and workers stay."""
    hands = [hand("a"), hand("b"), hand("c", **UNSCHEDULED)]
    assert next_steps(2, workload(3, 3), hands) == Steps(replicas=2)


def test_a_pod_that_is_not_ready_is_waited_for_until_it_cannot_hold_anything() -> None:
    """Its ReplicaSet would end it first whatever it costs, so it is the victim, and drained like any other."""
    idle = hand("a", cordon="seen", **MARKED)
    starting = hand("b", **NOT_READY)
    steps = next_steps(1, workload(2, 2), [idle, starting])
    assert steps == Steps(cordon=("b",), uncordon=("a",), unmark=(idle,), waits_for=(starting,))
    silent = hand("b", cordon="asked", cordoned_for=QUIET_SECONDS, **NOT_READY)
    assert next_steps(1, workload(2, 2), [hand("a"), silent]).mark == (silent,)
    assert not hand("b", cordon="asked", cordoned_for=QUIET_SECONDS, pending=1, **NOT_READY).drained
    assert not hand("b", cordon="asked", cordoned_for=3600.0).drained


def test_one_at_a_time_where_only_one_is_drained() -> None:
    """The number falls by those that hold nothing; the rest follow as they finish."""
    hands = [
        hand("a", cordon="seen", **MARKED),
        hand("b", cordon="seen", pending=1),
        hand("c"),
    ]
    steps = next_steps(1, workload(3, 3), hands)
    assert steps.replicas == 2
    assert steps.waits_for == (hands[1],)


def test_nothing_is_taken_away_during_a_rollout_or_on_two_views_that_disagree() -> None:
    """Costs mean nothing between ReplicaSets, and a pod that was not seen yet might be the one that goes."""
    hands = [hand("a"), hand("b", cordon="seen", **MARKED)]
    assert next_steps(1, workload(2, 2, updated=1), hands).replicas is None
    assert next_steps(1, workload(2, 2), [hands[0], replace(hands[1], pod=pod("b", owner="older"))]).replicas is None
    assert next_steps(1, workload(2, 3), hands).replicas is None


def test_a_rollout_that_waits_for_a_place_is_given_one() -> None:
    """On full GPUs a rollout goes on when no more are wanted than fit; nobody else goes during one."""
    hands = [hand("a"), hand("b"), hand("c", owner="new", unschedulable="0/2 nodes", **UNSCHEDULED)]
    rolling = workload(3, 3, updated=1)
    assert next_steps(2, rolling, hands).replicas == 2
    assert next_steps(0, rolling, hands).replicas == 2
    assert next_steps(0, rolling, [*hands[:2], hand("c", owner="new")]).replicas is None


def test_pods_that_were_never_made_are_no_victims() -> None:
    """Where a quota keeps pods from being made, asking for fewer of them ends nobody."""
    assert next_steps(2, workload(4, 2, failure="quota"), [hand("a"), hand("b")]) == Steps(replicas=2)


def test_a_mark_without_a_cordon_is_removed_or_renewed() -> None:
    """After a Redis that lost the cordon, a marked worker takes jobs: it is told anew before it can go."""
    marked = hand("b", **MARKED)
    assert next_steps(2, workload(2, 2), [hand("a"), marked]) == Steps(unmark=(marked,))
    anew = Steps(cordon=("b",), unmark=(marked,), waits_for=(marked,))
    assert next_steps(1, workload(2, 2), [hand("a"), marked]) == anew


def test_what_the_decision_sees_of_the_workers() -> None:
    """Cordoned and terminating workers drain; pods that fail are no capacity; what is not made yet is starting."""
    pods = (
        pod("ready"),
        pod("cordoned"),
        pod("going", terminating=True),
        pod("starting", **NOT_READY),
        pod("failing", trouble=(ContainerTrouble("stt", "CrashLoopBackOff", "x"),), **NOT_READY),
        pod("homeless", unschedulable="0/3 nodes", **UNSCHEDULED),
        pod("evicted", phase="Failed", ready=False),
    )
    observed = Observed((workload(6, 5),), pods)
    assert workers_of(observed, "stt", {"cordoned"}) == Workers(
        desired=6, ready=1, starting=2, unschedulable=1, draining=2
    )
    assert workers_of(observed, "translation", ()) is None


pods = st.builds(
    hand,
    st.uuids().map(str),
    pending=st.integers(0, 2),
    cordon=st.sampled_from(["", "asked", "seen"]),
    cordoned_for=st.sampled_from([0.0, QUIET_SECONDS]),
    scheduled=st.booleans(),
    ready=st.booleans(),
    phase=st.sampled_from(["Pending", "Running", "Unknown"]),
    created=st.floats(0, 9),
    deletion_cost=st.sampled_from([None, 5, VICTIM_COST]),
)


@given(st.lists(pods, max_size=8), st.integers(0, 8))
def test_a_replica_set_that_ends_as_many_ends_nobody_with_work(hands: list[Hand], count: int) -> None:
    """Whatever the pods look like: its own order, and the worst of chance among equals, meet drained victims only."""
    victims = choose_victims(hands, count)
    allowed = removable(hands, victims)
    assert allowed <= len(victims)

    def order(one: Hand) -> tuple[int, int, bool]:
        return deletion_class(one.pod), one.pod.deletion_cost or 0, one.drained

    for one in sorted(hands, key=order)[:allowed]:
        assert one.drained
        assert one.pending == 0 or not one.pod.scheduled


class Cluster(RuleBasedStateMachine):
    """A Deployment, its ReplicaSet's order, and workers that take, finish, answer and fail as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.hands: dict[str, Hand] = {}
        self.desired = self.wanted = 0
        self.generation = self.observed_generation = 1
        self.made = 0
        self.ended_with_work: list[str] = []

    @initialize(count=st.integers(1, 4))
    def begin(self, count: int) -> None:
        """So many workers."""
        self.desired = self.wanted = count
        self._control()
        for name in self.hands:
            self._pod(name, scheduled=True, ready=True, phase="Running")

    @property
    def lagging(self) -> bool:
        """Whether the controllers have not done yet what was asked for."""
        return self.observed_generation < self.generation or len(self.hands) != self.desired

    @rule(wanted=st.integers(0, 4))
    def decide(self, wanted: int) -> None:
        """Another number is right from now on."""
        self.wanted = wanted

    @rule(seconds=st.integers(1, 6), ticks=st.integers(1, 3))
    def tick(self, seconds: int, ticks: int) -> None:
        """The scaler looks and does what it finds right, some times over."""
        for _ in range(ticks):
            self._tick(seconds)

    def _tick(self, seconds: int) -> None:
        for name, one in self.hands.items():
            if one.cordon:
                self.hands[name] = replace(one, cordoned_for=one.cordoned_for + seconds)
        seen = workload(
            self.desired, len(self.hands), generation=self.generation, observed_generation=self.observed_generation
        )
        steps = next_steps(self.wanted, seen, list(self.hands.values()))
        for name in steps.uncordon:
            self.hands[name] = replace(self.hands[name], cordon="", cordoned_for=0.0)
        for one in steps.unmark:
            self._pod(one.pod.name, deletion_cost=None, cordoned=False)
        for name in steps.cordon:
            self.hands[name] = replace(self.hands[name], cordon=self.hands[name].cordon or "asked")
        for one in steps.mark:
            self._pod(one.pod.name, deletion_cost=VICTIM_COST, cordoned=True)
        if steps.replicas is not None:
            self.desired = steps.replicas
            self.generation += 1

    @precondition(lambda self: self.observed_generation < self.generation)
    @rule()
    def deployment_controller(self) -> None:
        """Takes notice of the number; the ReplicaSet follows later."""
        self.observed_generation = self.generation

    @precondition(lambda self: self.lagging)
    @rule()
    def replica_set_controller(self) -> None:
        """Makes or ends pods."""
        self.observed_generation = self.generation
        self._control()

    @rule(event=st.sampled_from(["answer", "take", "finish"]))
    def workers(self, event: str) -> None:
        """All that can do so, at once: that is the worst for somebody who relies on their not doing it."""
        for name, one in self.hands.items():
            running = one.pod.scheduled and one.pod.phase == "Running"
            if event == "answer" and running and one.cordon:
                self.hands[name] = replace(one, cordon="seen")
            elif event == "take" and running and one.cordon != "seen" and one.cordoned_for < QUIET_SECONDS:
                self.hands[name] = replace(one, pending=one.pending + 1)
            elif event == "finish":
                self.hands[name] = replace(one, pending=0)

    # Which pod is not ready at the very moment of the choice is nothing that anybody can hold still.
    @precondition(lambda self: not self.lagging)
    @rule(data=st.data(), event=st.sampled_from(["start", "stumble", "recover", "expire"]))
    def trouble(self, data: st.DataObject, event: str) -> None:
        """Something happens to one pod, while nothing is under way."""
        if not self.hands:
            return
        name = data.draw(st.sampled_from(sorted(self.hands)))
        one = self.hands[name]
        if event == "expire":
            self.hands[name] = replace(one, cordon="", cordoned_for=0.0)
        elif event == "start":
            self._pod(name, scheduled=True, phase="Running")
        elif one.pod.phase == "Running":
            self._pod(name, ready=event == "recover")

    @invariant()
    def nobody_ended_with_work(self) -> None:
        """The bar."""
        assert self.ended_with_work == []

    def _pod(self, name: str, **changes: object) -> None:
        self.hands[name] = replace(self.hands[name], pod=replace(self.hands[name].pod, **changes))

    def _control(self) -> None:
        while len(self.hands) < self.desired:
            self.made += 1
            name = f"pod-{self.made}"
            self.hands[name] = hand(name, created=float(self.made), **UNSCHEDULED)
        while len(self.hands) > self.desired:
            ranked = sorted(
                self.hands.values(), key=lambda one: (deletion_class(one.pod), one.pod.deletion_cost or 0, -one.pending)
            )
            gone = self.hands.pop(ranked[0].pod.name)
            if gone.pending and gone.pod.scheduled:
                self.ended_with_work.append(gone.pod.name)


TestCluster = Cluster.TestCase
TestCluster.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("wanted", [0, 1, 2])
def test_a_scale_down_ends(wanted: int) -> None:
    """With workers that answer and finish, the number is reached in a few looks."""
    hands = [hand(str(number), pending=number % 2, created=float(number)) for number in range(4)]
    desired = 4
    for _ in range(4):
        steps = next_steps(wanted, workload(desired, len(hands)), hands)
        marks = {one.pod.name for one in steps.mark}
        hands = [
            replace(
                one,
                pending=0,
                cordon="seen" if one.pod.name in steps.cordon else one.cordon,
                pod=replace(one.pod, **MARKED) if one.pod.name in marks else one.pod,
            )
            for one in hands
        ]
        if steps.replicas is not None:
            desired = steps.replicas
            hands = [one for one in hands if not one.marked][:desired]
    assert desired == wanted
