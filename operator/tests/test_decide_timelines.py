"""Decisions over simulated time, against a small deterministic model of a stage (``queue_model``)."""

from dataclasses import replace
from itertools import pairwise

import pytest
from queue_model import Stage, changes, constant, poisson

from speechpipe_operator.autoscaling.decide import decide
from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.types import Backlog, Decision, Observation, Policy, Reason, Workers

HOUR = 3600.0


def reasons(stage: Stage) -> list[Reason]:
    """The reasons, each only where it differs from the one before."""
    seen: list[Reason] = []
    for _, decision in stage.history:
        if not seen or seen[-1] != decision.reason:
            seen.append(decision.reason)
    return seen


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("work", [1.0, 5.0, 10.0])
@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_light_constant_load_never_scales_up(rate: float, work: float, speed: float) -> None:
    """For a whole hour of what one worker does with ease, in jobs of any length, there is one worker: work that is in
    its hand is not work that waits.
    """
    stage = Stage(Policy(1, 10, prior_speed=speed), 1, speed=speed)
    assert set(stage.run(HOUR, constant(rate, work, HOUR))) == {1}


def test_light_load_that_comes_by_chance_never_scales_up() -> None:
    """Nor do three jobs that happen to come at once, once in an hour, ask for a second worker."""
    for seed in range(3):
        stage = Stage(Policy(1, 10), 1)
        assert set(stage.run(HOUR, poisson(lambda _: 0.1, HOUR, seed))) == {1}


@pytest.mark.parametrize("rate", [0.7, 1.0, 1.4, 2.0, 3.3, 5.0, 7.0])
@pytest.mark.parametrize("begin", [1, 4, 15])
def test_constant_load_never_oscillates(rate: float, begin: int) -> None:
    """From any number the stage settles within a few minutes, and keeps that number for the rest of an hour; it has
    neither gone down and up again on the way, nor is it more than half too large in the end.
    """
    stage = Stage(Policy(1, 20), begin)
    numbers = stage.run(HOUR, constant(rate, 5.0, HOUR))
    settled = numbers[round(10 * 60 / stage.poll) :]
    assert len(set(settled)) == 1
    path = changes(numbers)
    top = path.index(max(path))
    assert path[: top + 1] == sorted(path[: top + 1])
    assert path[top:] == sorted(path[top:], reverse=True)
    assert rate <= settled[0] <= 1.5 * rate / 0.7 + 1


def test_settled_load_is_served_at_the_target_utilization() -> None:
    """At +10 min of 7 s of audio a second there are 10 or 11 workers for 7 busy ones."""
    stage = Stage(Policy(1, 50), 1)
    numbers = stage.run(600, constant(7.0, 5.0, 600))
    assert numbers[-1] in (10, 11)
    assert stage.decision.rate == pytest.approx(7.0, rel=0.1)
    assert stage.decision.speed == pytest.approx(1.0, rel=0.05)


def test_the_speed_is_learned_per_busy_second() -> None:
    """A prior that is four times too low is corrected by what workers do while they are busy, not by how little they
    have to do: at +30 min one worker is enough, and the estimate is right.
    """
    stage = Stage(Policy(1, 20, prior_speed=1.0), 1, speed=4.0)
    stage.run(30 * 60, constant(1.5, 5.0, 30 * 60))
    assert stage.decision.speed == pytest.approx(4.0, rel=0.1)
    assert stage.decision.replicas == 1


def test_a_step_is_answered_at_once_and_left_slowly() -> None:
    """Twenty times the load: panic within the short window, enough within half a minute, and down again only after
    the stabilisation window.
    """
    stage = Stage(Policy(1, 50), 1)
    stage.run(300, constant(0.5, 5.0, 300))
    assert stage.decision.replicas == 1
    numbers = stage.run(600, constant(10.0, 5.0, 600))
    assert "Panic" in reasons(stage)
    assert numbers[round(8 / 2)] >= 6
    assert 13 <= numbers[round(40 / 2)] <= 22
    peak = stage.decision.replicas
    after = stage.run(600)
    assert set(after[: round(100 / 2)]) == {peak}
    assert after[-1] == 1


def test_a_burst_is_drained_and_its_workers_leave_half_at_a_time() -> None:
    """A hundred jobs at once: within seconds as many workers as the drain target asks for, and never more than half of
    them gone within a minute.
    """
    stage = Stage(Policy(1, 60), 1)
    numbers = stage.run(900, [(100.0, 5.0)] * 100)
    at = round(104 / 2)
    assert max(numbers[:at]) >= 40
    path = changes(numbers)
    assert path[-1] == 1
    down = path[path.index(max(path)) :]
    assert all(after >= before - max(1, before // 2) for before, after in pairwise(down))
    assert max(stage.waits) < 40


def test_a_backlog_of_a_start_calls_no_second_crowd() -> None:
    """What piles up during a start of a minute is mostly for those who start: three are enough for the load, and at the
    most five more are asked for to drain it, where as much work without anybody starting would call for a dozen.
    """
    stage = Stage(Policy(1, 50), 1, startup=60)
    stage.run(60, constant(0.5, 5.0, 60))
    numbers = stage.run(600, constant(2.0, 5.0, 600))
    assert max(numbers) <= 8


def test_to_zero_after_the_cooldown_and_back() -> None:
    """The last worker goes when nothing has been there for the whole cooldown, at +5 min and not before, and comes back
    with the first job, at the next look.
    """
    stage = Stage(Policy(0, 10, cooldown_seconds=300), 1)
    stage.run(120, constant(0.2, 5.0, 60))
    idle_at = max(at for at, decision in stage.history if decision.work > 0)
    stage.run(600)
    zero_at = next(at for at, decision in stage.history if decision.replicas == 0)
    assert 300 <= zero_at - idle_at <= 310
    assert reasons(stage)[-2:] == ["CoolingDown", "ScaledToZero"]
    numbers = stage.run(10, [(1.0, 5.0)])
    assert numbers[2] == 1
    assert "WokenUp" in reasons(stage)
    stage.run(60)
    assert stage.waits[-1] < 30


def test_each_job_begins_the_cooldown_anew() -> None:
    """One short job a few minutes apart keeps the last worker."""
    stage = Stage(Policy(0, 10, cooldown_seconds=300), 1)
    assert 0 not in stage.run(HOUR, [(at, 1.0) for at in range(0, 3600, 250)])


def test_nothing_comes_and_goes_at_zero() -> None:
    """An hour without anything is an hour without a worker."""
    stage = Stage(Policy(0, 10), 0)
    assert set(stage.run(HOUR)) == {0}
    assert reasons(stage) == ["ScaledToZero"]


def test_partials_alone_wake_a_worker_and_keep_it() -> None:
    """Partials are work too: one worker for them from zero, never more, and no cooldown while they are there."""
    stage = Stage(Policy(0, 10, cooldown_seconds=60), 0)
    stage.backlog = replace(stage.backlog, partials=50)
    numbers = stage.run(600)
    assert set(numbers) == {1}


def test_partials_add_a_capped_share() -> None:
    """However many partials wait, they add no more than a quarter to what the finals need."""
    stage = Stage(Policy(1, 50), 4)
    without = stage.run(600, constant(2.6, 5.0, 600))[-1]
    stage = Stage(Policy(1, 50), 4)
    stage.backlog = replace(stage.backlog, partials=1000)
    with_partials = stage.run(600, constant(2.6, 5.0, 600))[-1]
    assert without < with_partials <= without * 1.25 + 1


def test_full_gpus() -> None:
    """Load for ten workers on four GPUs: at most one worker waits for a node, however long, and the reason says so;
    when GPUs come free the number rises with them.
    """
    stage = Stage(Policy(1, 50), 2, gpus=4)
    stage.run(60, constant(7.0, 5.0, 60))
    numbers = stage.run(240, constant(7.0, 5.0, 240))
    assert set(numbers) == {5}
    assert stage.decision.reason == "GpuStarved"
    assert "1 of 5 workers find no node" in stage.decision.detail
    stage.gpus = 20
    assert stage.run(60, constant(7.0, 5.0, 60))[-1] >= 10


def test_the_minimum_holds_on_full_gpus() -> None:
    """A minimum that does not fit is still the user's wish, and the reason says what it lacks."""
    stage = Stage(Policy(6, 50), 6, gpus=4)
    assert set(stage.run(60, constant(1.0, 5.0, 60))) == {6}


def test_a_rollout_on_full_gpus_asks_for_what_fits() -> None:
    """While pods are replaced and one finds no node, as many are asked for as had one when it began: a fifth, that
    waits for a node, would be the one that may be unavailable, and nothing would ever be replaced.
    """
    policy, memory, now = Policy(1, 50), Memory.starting(5, 0.0), 0.0
    numbers: list[int] = []
    # Five asked for, four fit; then each of the four is replaced: it has no node for a while.
    for ready, rolling in [(4, False), (4, True), (3, True), (4, True), (3, True), (3, True), (4, True)]:
        now += 2.0
        workers = Workers(numbers[-1] if numbers else 5, ready, 0, unschedulable=1, rolling=rolling)
        decision, memory = decide(policy, Observation(busy(100, 4), workers), memory, now)
        numbers.append(decision.replicas)
    assert numbers == [5, 4, 4, 4, 4, 4, 4]


def test_no_worker_goes_during_a_rollout() -> None:
    """A rollout that takes longer than the stabilisation window keeps its workers; afterwards they go."""
    stage = Stage(Policy(1, 20), 8)
    stage.run(60, constant(5.0, 5.0, 60))
    stage.rolling = True
    assert min(stage.run(600)) == 8
    assert stage.decision.reason == "RolloutInProgress"
    stage.rolling = False
    assert stage.run(300)[-1] < 8


def test_a_restart_of_the_operator_takes_no_worker_away() -> None:
    """An operator that restarts every minute under load keeps the number; one that has just restarted scales up."""
    stage = Stage(Policy(1, 20), 1)
    stage.run(300, constant(5.0, 5.0, 300))
    before = stage.decision.replicas
    for _ in range(8):
        stage.restart_operator()
        assert set(stage.run(60, constant(5.0, 5.0, 60))) == {before}
    stage.restart_operator()
    assert stage.run(60, constant(15.0, 5.0, 60))[-1] >= 18


def test_an_outage_of_redis_holds_the_number() -> None:
    """While the backlog can't be read the number stays, for longer than cooldown and stabilisation together; the reason
    is the error. Afterwards both begin anew.
    """
    stage = Stage(Policy(0, 20, cooldown_seconds=60), 5)
    stage.broken = "shard 0: ConnectionError"
    assert set(stage.run(1200)) == {5}
    assert stage.decision.reason == "Hold"
    assert not stage.decision.valid
    assert "shard 0: ConnectionError" in stage.decision.detail
    stage.broken = ""
    assert set(stage.run(60)) == {5}
    assert stage.run(1200)[-1] == 0


def test_a_changed_spec_moves_a_held_number() -> None:
    """Bounds that the user changes hold at once, backlog or not."""
    stage = Stage(Policy(1, 20), 5)
    stage.broken = "no Redis"
    stage.run(10)
    stage.policy = Policy(1, 3)
    assert stage.run(4)[-1] == 3
    stage.policy = Policy(7, 20)
    assert stage.run(4)[-1] == 7


def test_a_redis_that_lost_its_data_starts_no_crowd() -> None:
    """Counters that go back to zero and rise again are neither a flood nor a standstill: the number stays."""
    stage = Stage(Policy(1, 50), 3)
    stage.run(600, constant(1.5, 5.0, 600))
    before = stage.decision.replicas
    stage.backlog = Backlog(0, 0, 0, 0.0, 0.0, 0, 0.0, 0.0)
    assert set(stage.run(600, constant(1.5, 5.0, 600))) == {before}


def test_counters_that_lost_a_second_are_no_flood() -> None:
    """A Redis that comes back without its last second gives counters a little lower: nothing arrived, no more."""
    stage = Stage(Policy(1, 50), 3)
    stage.run(600, constant(1.5, 5.0, 600))
    before = stage.decision.replicas
    stage.backlog = replace(stage.backlog, arrived_work=stage.backlog.arrived_work - 20)
    assert set(stage.run(60, constant(1.5, 5.0, 60))) == {before}


def test_absurd_counters_are_bounded_and_forgotten() -> None:
    """One sample of a speed a million times too high neither starves the stage for ever nor breaks it."""
    stage = Stage(Policy(1, 50), 3)
    stage.run(300, constant(3.0, 5.0, 300))
    stage.backlog = replace(stage.backlog, done_work=stage.backlog.done_work + 1e9)
    stage.run(600, constant(3.0, 5.0, 600))
    assert stage.run(900, constant(3.0, 5.0, 900))[-1] >= 4
    assert stage.decision.speed == pytest.approx(1.0, rel=0.5)


def test_the_stage_before_feeds_forward() -> None:
    """What is about to come raises the number before anything stands in the queue, wakes a stage from zero, and keeps
    it from going back to zero.
    """
    stage = Stage(Policy(0, 20), 0)
    stage.upstream_rate = 3.0
    numbers = stage.run(600)
    assert numbers[0] >= 5
    assert min(numbers) >= 5
    assert stage.decision.reason == "Steady"
    stage.upstream_rate = 6.0
    assert stage.run(4)[-1] >= 9
    assert "Upstream" in reasons(stage)


def test_old_jobs_count_for_more() -> None:
    """A queue whose oldest job is far beyond the drain target asks for more workers than one of young jobs."""

    def answer(oldest: float) -> int:
        backlog = replace(busy(30, 4), oldest_seconds=oldest)
        decision, _ = decide(Policy(1, 50), Observation(backlog, Workers(4, 4, 0)), Memory.starting(4, 0.0), 2.0)
        return decision.replicas

    assert answer(1.0) < answer(60.0)


def test_starting_workers_are_capacity_and_unschedulable_ones_are_not() -> None:
    """The same queue asks for more where the workers that were asked for don't find a node than where they start."""

    def answer(workers: Workers) -> Decision:
        return decide(Policy(1, 50), Observation(busy(14, 1), workers), Memory.starting(5, 0.0), 2.0)[0]

    assert answer(Workers(5, 1, 4)).reason == "Stabilizing"
    assert answer(Workers(5, 1, 0, unschedulable=4)).reason == "GpuStarved"


def test_bounds_and_their_reasons() -> None:
    """At the maximum with more to do, and at a minimum above what would do, the reason says so."""
    stage = Stage(Policy(1, 3), 1)
    stage.run(120, constant(9.0, 5.0, 120))
    assert (stage.decision.replicas, stage.decision.reason) == (3, "AtMaximum")
    stage = Stage(Policy(4, 9), 4)
    stage.run(300, constant(0.5, 5.0, 300))
    assert (stage.decision.replicas, stage.decision.reason) == (4, "AtMinimum")
    assert stage.decision.detail == "1 worker would do; the minimum is 4"


def test_workers_that_are_told_to_go_are_waited_for() -> None:
    """While a worker that was told to claim no more holds work, the number that was decided stays decided."""
    policy, memory, now = Policy(1, 9), Memory.starting(6, 0.0), 0.0
    decision = Decision(6, "Steady", "")
    for draining in [0] * 70 + [2] * 5:
        now += 2.0
        observation = Observation(busy(0, 1), Workers(6, 6 - draining, 0, draining=draining))
        decision, memory = decide(policy, observation, memory, now)
    assert (decision.replicas, decision.reason) == (3, "Draining")


def busy(waiting: int, in_hand: int) -> Backlog:
    """A backlog with jobs of 5 s, counted since long ago."""
    return Backlog(waiting, in_hand, 0, 1.0, 5_000.0, 1_000, 4_000.0, 4_000.0)
