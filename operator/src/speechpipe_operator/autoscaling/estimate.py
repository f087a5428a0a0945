"""From counters to rates: how much arrives (λ), how fast a worker is (μ), how much waits. Pure."""

from dataclasses import dataclass, replace
from math import sqrt
from typing import Final

from speechpipe_operator.autoscaling.memory import Counters, Measured, Memory
from speechpipe_operator.autoscaling.types import Backlog, Observation, Policy
from speechpipe_operator.autoscaling.windows import Arrivals

PARTIAL_SHARE: Final = 0.25
"""What partials add to λ while there are any. A fixed share of the finals' work: more workers finish more partials, of
which gateways then send more, so that counting them would make more workers of more workers."""

PRIOR_BUSY_SECONDS: Final = 20.0
"""The prior speed weighs as much as so many busy seconds of measurement."""

FADING_BUSY_SECONDS: Final = 120.0
"""A measurement weighs half after so many more busy seconds."""

SPEED_SPAN: Final = 200.0
"""μ is taken to lie within this factor of the prior, whatever the counters say."""

PRIOR_JOB_WORK: Final = 4.0
"""Work of one job before any has been counted; the middle of what a segment is (0.3 s to 10 s)."""

PRIOR_JOBS: Final = 4
"""``PRIOR_JOB_WORK`` weighs as much as so many jobs."""

CHANCE: Final = 1.5
"""Standard deviations of a Poisson count that the short view takes off: three jobs in six seconds are chance."""

SURGE_SCALES: Final = (1, 2, 4)
"""The short view looks at so many panic windows: the shortest shows a great rise first, longer ones a smaller one."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is known of the load at one moment; work in seconds of audio, rates in work a second."""

    arriving: float
    """λ of the finals over the long window."""
    rate: float
    """λ: what arrives or is about to, whichever is more, with the partials' share."""
    surge: float
    """λ over the short windows, as much of it as is not chance, the highest of them; with the partials' share."""
    upstream: float
    speed: float
    """μ: work per busy second of one worker."""
    work: float
    """Waiting or in hand."""
    waiting: float
    """Waiting: beyond one job in the hands of each worker there is or that is starting."""
    waiting_before_surge: float
    """The part of ``waiting`` that ``surge`` does not count already."""
    oldest: float
    """Age of the oldest final, seconds."""
    startup: float
    """Seconds that a worker takes to start."""
    capacity: int
    """Workers that are ready or starting."""
    active: bool
    """Whether there is, arrives, or is about to arrive anything at all, partials included."""


def remember(policy: Policy, observation: Observation, backlog: Backlog, memory: Memory, now: float) -> Memory:
    """``memory`` with the backlog and the workers of ``now`` in its windows and measurements."""
    new = Counters(backlog.arrived_work, backlog.arrived_jobs, backlog.done_work, backlog.busy_seconds)
    old = memory.counters or new
    work, jobs = _arrived(old, new)
    active = _anything(observation, backlog) or work > 0 or jobs > 0
    return replace(
        memory,
        at=now,
        counters=new,
        stable=memory.stable.add(now, policy.stable_seconds, work, jobs),
        panic=memory.panic.add(now, SURGE_SCALES[-1] * policy.panic_seconds, work, jobs),
        measured=_measure(policy, memory.measured, old, new),
        startup=memory.startup.watch(observation.workers, now),
        idle_since=None if active else (now if memory.idle_since is None else memory.idle_since),
        partials_at=now if backlog.partials > 0 else memory.partials_at,
    )


def estimate(policy: Policy, observation: Observation, backlog: Backlog, memory: Memory) -> Load:
    """The load, from a backlog and the memory that has it already (see ``remember``)."""
    workers = observation.workers
    capacity = max(0, workers.ready) + max(0, workers.starting)
    jobs = max(0, backlog.undelivered) + max(0, backlog.pending)
    each = _work_of_a_job(backlog)
    waiting = max(0, jobs - max(1, capacity)) * each
    recent = memory.partials_at is not None and memory.at - memory.partials_at <= policy.stable_seconds
    share = 1 + PARTIAL_SHARE if recent else 1.0
    arriving = memory.stable.within(policy.stable_seconds)[0] / max(policy.stable_seconds, 1e-3)
    surge, counted = _surge(policy, memory.panic)
    upstream = max(0.0, observation.upstream_rate)
    return Load(
        arriving=arriving,
        rate=max(arriving, upstream) * share,
        surge=surge * share,
        upstream=upstream,
        speed=_speed(policy, memory),
        work=jobs * each,
        waiting=waiting,
        waiting_before_surge=max(0.0, waiting - counted),
        oldest=max(0.0, backlog.oldest_seconds),
        startup=memory.startup.expected(memory.at),
        capacity=capacity,
        active=memory.idle_since is None,
    )


def _anything(observation: Observation, backlog: Backlog) -> bool:
    return backlog.undelivered > 0 or backlog.pending > 0 or backlog.partials > 0 or observation.upstream_rate > 0


def _arrived(old: Counters, new: Counters) -> tuple[float, float]:
    """Work and jobs since the last read. Counters that went back are those of a Redis that lost data: nothing is
    known to have arrived, since the whole of a counter that lost its last second would look like a flood.
    """
    if new.arrived_work < old.arrived_work or new.arrived_jobs < old.arrived_jobs:
        return 0.0, 0.0
    return new.arrived_work - old.arrived_work, float(new.arrived_jobs - old.arrived_jobs)


def _measure(policy: Policy, measured: Measured | None, old: Counters, new: Counters) -> Measured:
    prior = _prior(policy)
    if measured is None:
        measured = Measured(prior * PRIOR_BUSY_SECONDS, PRIOR_BUSY_SECONDS)
    work, busy = new.done_work - old.done_work, new.busy_seconds - old.busy_seconds
    if work < 0 or busy < 0 or work + busy == 0:
        return measured
    fade = 0.5 ** (busy / FADING_BUSY_SECONDS)
    total = measured.busy * fade + busy
    # The bound is on what is remembered, so that one absurd sample is forgotten like any other.
    least, most = total * prior / SPEED_SPAN, total * prior * SPEED_SPAN
    return Measured(min(most, max(least, measured.work * fade + work)), total)


def _speed(policy: Policy, memory: Memory) -> float:
    measured = memory.measured
    return _prior(policy) if measured is None else measured.work / measured.busy


def _prior(policy: Policy) -> float:
    return max(policy.prior_speed, 1e-3)


def _work_of_a_job(backlog: Backlog) -> float:
    """The mean of all jobs ever counted: never shrinks by more than one job that joins the backlog adds."""
    jobs = max(0, backlog.arrived_jobs)
    return (max(0.0, backlog.arrived_work) + PRIOR_JOBS * PRIOR_JOB_WORK) / (jobs + PRIOR_JOBS)


def _surge(policy: Policy, arrivals: Arrivals) -> tuple[float, float]:
    """The highest rate of the short windows beyond chance, and the part of a backlog that it stands for.

    That is one panic window of it, and never more than what the rate adds to the need: more that arrives never makes
    fewer workers.
    """
    rates = []
    for scale in SURGE_SCALES:
        seconds = max(scale * policy.panic_seconds, 1e-3)
        work, jobs = arrivals.within(seconds)
        sure = max(0.0, 1 - CHANCE / sqrt(jobs)) if jobs > 0 else 0.0
        rates.append(work * sure / seconds)
    return max(rates), max(rates) * max(0.0, min(policy.panic_seconds, policy.drain_seconds))
