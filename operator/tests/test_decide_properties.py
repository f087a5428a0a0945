"""What holds for every policy, every past and every observation."""

import math
from dataclasses import replace
from typing import NamedTuple

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from speechpipe_operator.autoscaling.decide import decide
from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.types import Backlog, Decision, Observation, Policy, Workers
from speechpipe_operator.autoscaling.windows import RESOLUTION

EXAMPLES = 60

seconds = st.floats(0.5, 600)
policies = st.builds(
    lambda low, span, **rest: Policy(low, low + span, **rest),
    low=st.integers(0, 5),
    span=st.integers(0, 60),
    drain_seconds=seconds,
    utilization=st.floats(0.05, 1),
    prior_speed=st.floats(0.05, 100),
    panic_seconds=st.floats(1, 30),
    stable_seconds=seconds,
    stabilization_seconds=st.floats(0, 600),
    cooldown_seconds=st.floats(0, 900),
    scale_down_percent=st.integers(1, 100),
)
counts = st.integers(0, 40)
backlogs = st.builds(
    Backlog,
    undelivered=st.one_of(st.just(0), st.integers(0, 3000)),
    pending=st.one_of(st.just(0), st.integers(0, 200)),
    partials=st.one_of(st.just(0), st.integers(0, 200)),
    oldest_seconds=st.floats(0, 5000),
    arrived_work=st.floats(0, 1e6),
    arrived_jobs=st.integers(0, 200_000),
    done_work=st.floats(0, 1e6),
    busy_seconds=st.floats(0, 1e6),
    trusted=st.sampled_from([True, True, True, True, False]),
)
workers = st.builds(
    Workers,
    desired=counts,
    ready=counts,
    starting=counts,
    unschedulable=st.one_of(st.just(0), counts),
    draining=st.one_of(st.just(0), counts),
    rolling=st.booleans(),
)
observations = st.builds(
    Observation,
    backlog=st.one_of(st.none(), backlogs, backlogs, backlogs, backlogs),
    workers=workers,
    upstream_rate=st.one_of(st.just(0.0), st.floats(0, 500)),
)
gaps = st.one_of(st.just(2.0), st.floats(0, 30), st.floats(-50, 5000))


class Moment(NamedTuple):
    """A policy with a past, and the time of the next decision."""

    policy: Policy
    memory: Memory
    now: float
    decisions: list[Decision]


@st.composite
def moments(draw: st.DrawFn, follow: bool = False) -> Moment:
    """A past of some observations at any distances, some of them back in time.

    Args:
        draw: of hypothesis.
        follow: whether the cluster does as it was told, as in ordinary life.
    """
    policy, now = draw(policies), draw(st.floats(0, 1e9))
    memory, decisions, number = Memory.starting(draw(counts), now), [], draw(counts)
    for _ in range(draw(st.integers(0, 8))):
        observation = draw(observations)
        if follow:
            observation = replace(observation, workers=replace(observation.workers, desired=number))
        now += draw(gaps)
        decision, memory = decide(policy, observation, memory, now)
        number = decision.replicas
        decisions.append(decision)
    return Moment(policy, memory, now + draw(gaps), decisions)


def has_work(backlog: Backlog) -> bool:
    """Whether anything is undelivered or pending."""
    return backlog.undelivered > 0 or backlog.pending > 0 or backlog.partials > 0


@given(moments(), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_number_lies_within_the_bounds(moment: Moment, observation: Observation) -> None:
    """Never below the minimum, never above the maximum, whatever was seen; each decision says why in a sentence."""
    decision, _ = decide(moment.policy, observation, moment.memory, moment.now)
    for each in [*moment.decisions, decision]:
        assert moment.policy.min_replicas <= each.replicas <= moment.policy.max_replicas
        assert each.detail
        assert math.isfinite(each.rate + each.speed + each.work)


@given(moments(), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_never_to_zero_with_work(moment: Moment, observation: Observation) -> None:
    """As long as anything is undelivered or pending there is a worker, also where there was none."""
    assume(observation.backlog is not None and observation.backlog.trusted and has_work(observation.backlog))
    assume(moment.policy.max_replicas > 0)
    decision, _ = decide(moment.policy, observation, moment.memory, moment.now)
    assert decision.replicas >= 1


@given(moments(follow=True), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_never_to_zero_within_the_cooldown(moment: Moment, observation: Observation) -> None:
    """Where there are workers, the last goes only after a cooldown that a decision before has seen begin."""
    assume(observation.workers.desired > 0 and moment.policy.cooldown_seconds >= 1)
    fresh = Memory.starting(observation.workers.desired, moment.now)
    decision, _ = decide(moment.policy, observation, fresh, moment.now)
    assert decision.replicas >= min(1, moment.policy.max_replicas)


@given(moments(), observations, st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_more_work_never_gives_fewer_workers(moment: Moment, observation: Observation, data: st.DataObject) -> None:
    """With all else equal, more undelivered, more pending, older jobs, more arrived work, more partials, or more that
    is about to come never lower the number.
    """
    backlog = observation.backlog
    assume(backlog is not None and backlog.trusted)
    assert backlog is not None
    seen = moment.memory.counters
    if seen is not None:
        # From counters that went back nothing can be compared: what arrived since then is not known.
        work = max(backlog.arrived_work, seen.arrived_work)
        backlog = replace(backlog, arrived_work=work, arrived_jobs=max(backlog.arrived_jobs, seen.arrived_jobs))
    more = replace(
        backlog,
        undelivered=backlog.undelivered + data.draw(st.integers(0, 500)),
        pending=backlog.pending + data.draw(st.integers(0, 500)),
        partials=backlog.partials + data.draw(st.integers(0, 500)),
        oldest_seconds=backlog.oldest_seconds + data.draw(st.floats(0, 1000)),
        arrived_work=backlog.arrived_work + data.draw(st.floats(0, 1e5)),
    )
    rate = observation.upstream_rate + data.draw(st.floats(0, 500))
    low, _ = decide(moment.policy, replace(observation, backlog=backlog), moment.memory, moment.now)
    high, _ = decide(moment.policy, replace(observation, backlog=more, upstream_rate=rate), moment.memory, moment.now)
    assert high.replicas >= low.replicas


@given(moments(), observations, st.integers(1, 300), st.floats(0, 10))
@settings(max_examples=EXAMPLES, deadline=None)
def test_jobs_that_join_the_queue_never_lower_the_number(
    moment: Moment, observation: Observation, jobs: int, each: float
) -> None:
    """Jobs that arrive, are counted and wait, however short, do not make fewer workers, though they lower the mean."""
    backlog, seen = observation.backlog, moment.memory.counters
    assume(backlog is not None and backlog.trusted)
    assert backlog is not None
    waiting = backlog.undelivered + backlog.pending
    backlog = replace(
        backlog,
        arrived_jobs=max(backlog.arrived_jobs, waiting, seen.arrived_jobs if seen else 0),
        arrived_work=max(backlog.arrived_work, seen.arrived_work if seen else 0.0),
    )
    more = replace(
        backlog,
        undelivered=backlog.undelivered + jobs,
        arrived_jobs=backlog.arrived_jobs + jobs,
        arrived_work=backlog.arrived_work + jobs * each,
    )
    low, _ = decide(moment.policy, replace(observation, backlog=backlog), moment.memory, moment.now)
    high, _ = decide(moment.policy, replace(observation, backlog=more), moment.memory, moment.now)
    assert high.replicas >= low.replicas


@given(moments(), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_data_holds_the_number(moment: Moment, observation: Observation) -> None:
    """A backlog that can't be read or believed moves the number within the spec's bounds at most, and is not valid."""
    if observation.backlog is not None:
        observation = replace(observation, backlog=replace(observation.backlog, trusted=False))
    decision, memory = decide(moment.policy, observation, moment.memory, moment.now)
    bounds = moment.policy
    assert decision.replicas == min(max(observation.workers.desired, bounds.min_replicas), bounds.max_replicas)
    assert (decision.valid, decision.reason) == (False, "Hold")
    assert memory.idle_since is None


@given(moments(), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_worker_goes_during_a_rollout(moment: Moment, observation: Observation) -> None:
    """While pods are replaced and all have a node, the number does not fall, but to a maximum below it."""
    rolling = replace(observation.workers, rolling=True, unschedulable=0)
    decision, _ = decide(moment.policy, replace(observation, workers=rolling), moment.memory, moment.now)
    assert decision.replicas >= min(rolling.desired, moment.policy.max_replicas)


@given(moments(), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_more_is_asked_for_than_one_beyond_what_has_a_node(moment: Moment, observation: Observation) -> None:
    """While pods are unschedulable at most one of them is asked for, above the spec's minimum."""
    starved = replace(observation.workers, unschedulable=max(1, observation.workers.unschedulable), rolling=False)
    observation = replace(observation, workers=starved)
    assume(observation.backlog is not None and observation.backlog.trusted)
    decision, _ = decide(moment.policy, observation, moment.memory, moment.now)
    assert decision.replicas <= max(moment.policy.min_replicas, starved.ready + starved.starting + 1)


@given(moments(), observations, st.floats(-1e6, 1e9))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_clock_that_jumps_costs_no_worker(moment: Moment, observation: Observation, jump: float) -> None:
    """After a jump back, or one beyond what anybody watched, stabilisation and cooldown begin anew."""
    assume(jump < 0 or jump > 60)
    now = moment.memory.at + jump
    at_ease = replace(observation.workers, unschedulable=0)
    assume(moment.policy.stabilization_seconds >= 1 and moment.policy.cooldown_seconds >= 1)
    decision, memory = decide(moment.policy, replace(observation, workers=at_ease), moment.memory, now)
    assert decision.replicas >= min(at_ease.desired, moment.policy.max_replicas)
    assert memory.at == now


@given(policies, st.lists(observations, min_size=1, max_size=5), st.sampled_from([0.01, 0.5, 2.0, 5.0]))
@settings(max_examples=10, deadline=None)
def test_the_memory_is_bounded(policy: Policy, cycle: list[Observation], step: float) -> None:
    """However often and for however long it is asked, a memory holds no more than its windows' points."""
    memory = Memory.starting(1, 0.0)
    for turn in range(600):
        _, memory = decide(policy, cycle[turn % len(cycle)], memory, turn * step)
        for window in (memory.stable, memory.panic):
            assert len(window.points) <= 2 * RESOLUTION + 3
        for highest in (memory.wishes, memory.numbers):
            assert len(highest.points) <= RESOLUTION + 1


@given(moments(), observations)
@settings(max_examples=EXAMPLES, deadline=None)
def test_it_is_a_function(moment: Moment, observation: Observation) -> None:
    """The same values give the same decision and the same memory."""
    once = decide(moment.policy, observation, moment.memory, moment.now)
    assert once == decide(moment.policy, observation, moment.memory, moment.now)
