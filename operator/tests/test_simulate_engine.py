"""The simulation of a stage against what must hold of any queue, and against theory where there is a formula."""

import numpy as np
import pytest

from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.simulate.builtin import TUNING, UNSEEN, named
from speechpipe_operator.simulate.engine import simulate
from speechpipe_operator.simulate.ours import Ours
from speechpipe_operator.simulate.outcome import Outcome
from speechpipe_operator.simulate.scaler import Fixed, Sample, Scaler
from speechpipe_operator.simulate.stage import Stage
from speechpipe_operator.simulate.trace import Trace


class Erratic:
    """Asks for a random number of workers every few seconds, and keeps what it saw."""

    def __init__(self, seed: int, most: int = 12) -> None:
        self._rng = np.random.default_rng(seed)
        self._most = most
        self.samples: list[Sample] = []

    def look(self, sample: Sample) -> tuple[int, float]:
        """At random."""
        self.samples.append(sample)
        return int(self._rng.integers(0, self._most + 1)), float(self._rng.uniform(0.5, 20.0))


class Steps:
    """Follows a plan: from each second on, that many workers."""

    def __init__(self, *plan: tuple[float, int]) -> None:
        self._plan = plan

    def look(self, sample: Sample) -> tuple[int, float]:
        """As planned; back when the plan changes."""
        due = [replicas for at, replicas in self._plan if at <= sample.now]
        later = [at for at, _ in self._plan if at > sample.now]
        return due[-1], (later[0] if later else sample.now + 60.0) - sample.now


def jobs(*pairs: tuple[float, float], length: float = 0.0) -> Trace:
    """A trace of (arrival, audio-seconds)."""
    at, work = np.array(pairs, dtype=float).T
    return Trace("given", at, work, max(length, float(at[-1])))


def poisson(seed: int, rate: float, length: float, work: float = 4.0) -> Trace:
    """Arrivals by chance, all of the same size."""
    rng = np.random.default_rng(seed)
    at = np.sort(rng.uniform(0.0, length, rng.poisson(rate * length)))
    return Trace("poisson", at, np.full(len(at), work), length)


PLAIN = Stage(speed=2.0, startup_seconds=10.0, startup_spread=0.0)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("stage", [Stage(), Stage(batch=4), Stage(gpus=3), Stage(initial=0, startup_spread=1.0)])
def test_every_job_is_done_once_whatever_the_scaler_does(seed: int, stage: Stage):
    """Under random scaling: one wait for each job, counters never go back, paid time covers busy time."""
    trace = poisson(seed, 1.0, 900.0)
    scaler = Erratic(seed)
    outcome = simulate(trace, stage, scaler)
    assert len(outcome.waits) == trace.jobs
    assert outcome.waits.min() >= 0.0
    assert outcome.unfinished == 0
    assert outcome.worker_hours >= outcome.busy_hours
    for before, after in zip(scaler.samples, scaler.samples[1:], strict=False):
        assert after.arrived_jobs >= before.arrived_jobs
        assert after.done_work >= before.done_work
        assert after.busy_seconds >= before.busy_seconds
        assert after.waiting + after.held <= after.arrived_jobs
        if stage.gpus is not None:
            assert after.ready + after.starting + after.draining <= stage.gpus
    last = scaler.samples[-1]
    assert last.waiting_work >= 0.0


def test_busy_time_is_work_by_speed_without_batches():
    """One job at a time: busy hours are exactly the work divided by the speed."""
    trace = poisson(3, 0.8, 1800.0)
    outcome = simulate(trace, PLAIN, Fixed(3))
    assert outcome.busy_hours == pytest.approx(trace.total_work / 2.0 / 3600.0)


def test_waits_agree_with_the_formula_of_pollaczek_and_khinchine():
    """M/D/1 at 70 % load: the mean wait is rho * s / (2 (1 - rho)) within a few percent."""
    trace = poisson(5, 0.35, 200_000.0)
    outcome = simulate(trace, PLAIN, Fixed(1))
    rho, service = 0.35 * 2.0, 2.0
    assert outcome.waits.mean() == pytest.approx(rho * service / (2 * (1 - rho)), rel=0.05)
    assert outcome.utilization == pytest.approx(rho, rel=0.02)


def test_three_jobs_by_hand():
    """One worker, 2 s each: waits 0, 1 and 2 s; paid until the last job is done."""
    outcome = simulate(jobs((0.0, 4.0), (1.0, 4.0), (2.0, 4.0), length=6.0), PLAIN, Fixed(1))
    assert outcome.waits.tolist() == [0.0, 1.0, 2.0]
    assert outcome.worker_hours == pytest.approx(6.0 / 3600.0)


def test_a_starting_worker_is_paid_for_and_takes_nothing():
    """From zero with a start of 10 s: the first job waits 10 s, and those seconds are paid."""
    outcome = simulate(jobs((0.0, 4.0), length=12.0), Stage(2.0, 10.0, 0.0, initial=0), Steps((0.0, 1)))
    assert outcome.waits.tolist() == [10.0]
    assert outcome.worker_hours == pytest.approx(12.0 / 3600.0)


def test_a_busy_worker_finishes_its_job_before_it_goes():
    """Told to go at 1 s with a job until 5 s: the job is done and the 5 s are paid."""
    outcome = simulate(jobs((0.0, 10.0), length=100.0), PLAIN, Steps((0.0, 1), (1.0, 0)))
    assert outcome.unfinished == 0
    assert outcome.worker_hours == pytest.approx(5.0 / 3600.0)


def test_starting_workers_go_before_idle_ones_and_idle_before_busy():
    """Of one busy, one idle and one starting worker, two that go are the starting and the idle one."""
    outcome = simulate(
        jobs((0.0, 40.0), length=20.0), Stage(2.0, 30.0, 0.0, initial=2), Steps((0.0, 2), (1.0, 3), (2.0, 1))
    )
    assert outcome.worker_hours == pytest.approx((20.0 + 2.0 + 1.0) / 3600.0)


def test_pods_without_a_gpu_wait_unpaid_for_one():
    """With two GPUs, a third pod is unschedulable until a busy worker that was told to go leaves its own."""

    class Watch(Steps):
        seen: list[Sample]

        def look(self, sample: Sample) -> tuple[int, float]:
            self.seen = [*getattr(self, "seen", []), sample]
            return super().look(sample)

    scaler = Watch((0.0, 2), (1.0, 4), (2.0, 2), (3.0, 4), (8.0, 4))
    stage = Stage(2.0, 1.0, 0.0, gpus=2, initial=2)
    simulate(jobs((0.0, 12.0), (0.0, 12.0), length=20.0), stage, scaler)
    at = {sample.now: sample for sample in scaler.seen}
    assert (at[2.0].unschedulable, at[2.0].ready) == (2, 2)
    assert (at[3.0].unschedulable, at[3.0].ready) == (0, 2)
    assert (at[8.0].unschedulable, at[8.0].ready, at[8.0].draining) == (2, 2, 0)


def test_a_batch_costs_its_longest_job_and_a_share_of_the_others():
    """Four jobs that wait together are taken together: (10 + 0.5 x 6) / 2 s for 10, 2, 2 and 2 s of audio."""
    trace = jobs((0.0, 2.0), (0.1, 10.0), (0.2, 2.0), (0.3, 2.0), (0.4, 2.0), (0.5, 2.0), length=30.0)
    outcome = simulate(trace, Stage(2.0, 0.0, 0.0, batch=4, batch_share=0.5), Fixed(1))
    assert outcome.waits == pytest.approx([0.0, 0.9, 0.8, 0.7, 0.6, 7.0])


def test_what_nobody_takes_is_counted_and_ends():
    """Without any worker the simulation ends an hour after the trace, and says how many jobs were left."""
    outcome = simulate(jobs((0.0, 1.0), (5.0, 1.0)), Stage(initial=0), Fixed(0))
    assert outcome.unfinished == 2
    assert outcome.wait(99) > 3600.0
    assert outcome.worker_hours == 0.0


@pytest.mark.parametrize("pause", [0.0, -1.0])
def test_a_scaler_must_let_time_pass(pause: float):
    """A next look now or before would never end: refused."""

    class Stuck:
        def look(self, sample: Sample) -> tuple[int, float]:
            return 1, pause

    stuck: Scaler = Stuck()
    with pytest.raises(ValueError, match="next look"):
        simulate(jobs((0.0, 1.0)), PLAIN, stuck)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"speed": 0.0}, "speed is 0"), ({"batch": 0}, "batch is 0"), ({"batch_share": 1.5}, "batch_share is 1.5")],
)
def test_an_impossible_stage_is_refused(wrong: dict[str, float], says: str):
    """The field and its value are named."""
    with pytest.raises(ValueError, match=says):
        Stage(**wrong)  # type: ignore[arg-type]


def test_built_in_traces_are_ten_and_always_the_same():
    """Five and five, none in both, in order of time, utterances of 1 to 10 s; made again they are the same."""
    assert len(TUNING) == len(UNSEEN) == 5
    assert not set(TUNING) & set(UNSEEN)
    for name in TUNING + UNSEEN:
        trace = named(name)
        assert (np.diff(trace.at) >= 0).all()
        assert 1.0 <= trace.work.min() <= trace.work.max() <= 10.0
        assert trace.at[-1] <= trace.length
    first = named("light").at
    named.cache_clear()
    assert (named("light").at == first).all()


def test_ours_serves_a_constant_load_without_oscillating():
    """The real decision, on an hour of ten jobs a minute: everything is done, soon, and the number hardly moves."""
    outcome: Outcome = simulate(poisson(9, 1.0, 3600.0), Stage(initial=3), Ours(Policy(1, 20, prior_speed=2.0)))
    late = [point.workers for point in outcome.points if point.at > 900.0]
    assert outcome.unfinished == 0
    assert outcome.wait(99) < 15.0
    assert max(late) - min(late) <= 3
