"""Discrete-event simulation of one stage: first come first served, any number of workers, one scaler.

Pure: the same trace, stage and scaler give the same outcome. Moments are exact; only the scaler looks on its own clock.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from math import inf
from typing import Final

import numpy as np

from speechpipe_operator.simulate.outcome import Outcome, Point
from speechpipe_operator.simulate.pool import Pool
from speechpipe_operator.simulate.scaler import Sample, Scaler
from speechpipe_operator.simulate.stage import Stage
from speechpipe_operator.simulate.trace import Trace

PATIENCE: Final = 3600.0
"""So many seconds after the trace the simulation ends, whatever still waits."""
POINT_SECONDS: Final = 5.0
"""Least distance of the points that are kept for a plot."""

Progress = Callable[[float], None]
"""Is told the share that is done, from 0 to 1."""


def simulate(trace: Trace, stage: Stage, scaler: Scaler, progress: Progress | None = None) -> Outcome:
    """Replay ``trace`` on ``stage`` while ``scaler`` scales.

    Ends with the trace, or when the last job is done if that is later; after an hour more, jobs that still wait are
    given up and counted as unfinished.
    """
    run = _Run(trace, stage)
    now, end, told = 0.0, trace.length, 0.0
    run.advance(now)
    while now < end or (run.unfinished and now < end + PATIENCE):
        sample = run.sample(now)
        wanted, pause = scaler.look(sample)
        if pause <= 0:
            raise ValueError(f"the scaler's next look is in {pause:g} s")
        run.scale(wanted, now, sample)
        if progress is not None and now - told > end / 100:
            told = now
            progress(min(1.0, now / end))
        now = min(now + pause, end) if now < end else now + pause
        run.advance(now)
    return run.outcome(now if run.unfinished else max(end, run.last_done))


class _Run:
    """The state of one simulation."""

    def __init__(self, trace: Trace, stage: Stage) -> None:
        self._trace, self._stage = trace, stage
        self._pool = Pool(stage)
        self._at: list[float] = trace.at.tolist()
        self._work: list[float] = trace.work.tolist()
        self._sums: list[float] = [0.0, *np.cumsum(trace.work).tolist()]
        self._arrived = 0
        self._claimed = 0
        self._done_jobs = 0
        self.last_done = 0.0
        self._done_work = self._busy = 0.0
        self._flying: list[tuple[float, float, int, float, float]] = []
        """Batches at work: end, first arrival, jobs, audio-seconds, busy seconds."""
        self._waits: list[float] = []
        self._asked = stage.initial
        self._scalings = 0
        self._points: list[Point] = []

    @property
    def unfinished(self) -> bool:
        """Something waits or is being done."""
        return self._done_jobs < len(self._at)

    def advance(self, until: float) -> None:
        """Let jobs arrive and be taken, up to and with ``until``."""
        at, pool, jobs = self._at, self._pool, len(self._at)
        while True:
            claim = max(at[self._claimed], pool.free[0][0]) if self._claimed < jobs and pool.free else inf
            change = pool.next_change()
            if min(claim, change) > until:
                break
            if change <= claim:
                pool.change(change)
            else:
                self._claim(claim)
        pool.change(until)
        while self._arrived < jobs and at[self._arrived] <= until:
            self._arrived += 1
        while self._flying and self._flying[0][0] <= until:
            self.last_done, _, count, work, busy = heappop(self._flying)
            self._done_jobs += count
            self._done_work += work
            self._busy += busy

    def _claim(self, now: float) -> None:
        first, last = self._claimed, self._claimed + 1
        limit = min(first + self._stage.batch, len(self._at))
        while last < limit and self._at[last] <= now:
            last += 1
        work = self._sums[last] - self._sums[first]
        longest = self._work[first] if last == first + 1 else max(self._work[first:last])
        busy = self._stage.busy_seconds(longest, work)
        self._waits.extend(now - arrival for arrival in self._at[first:last])
        self._pool.occupy(now + busy)
        heappush(self._flying, (now + busy, self._at[first], last - first, work, busy))
        self._claimed = last

    def sample(self, now: float) -> Sample:
        """What a scaler may know."""
        pool = self._pool
        oldest = min((batch[1] for batch in self._flying), default=now)
        if self._claimed < self._arrived:
            oldest = min(oldest, self._at[self._claimed])
        return Sample(
            now=now,
            waiting=self._arrived - self._claimed,
            held=self._claimed - self._done_jobs,
            waiting_work=self._sums[self._arrived] - self._sums[self._claimed],
            oldest_seconds=now - oldest,
            arrived_jobs=self._arrived,
            arrived_work=self._sums[self._arrived],
            done_work=self._done_work,
            busy_seconds=self._busy,
            desired=self._asked,
            ready=len(pool.free),
            starting=len(pool.starting),
            unschedulable=pool.unplaced,
            draining=len(pool.draining),
        )

    def scale(self, wanted: int, now: float, sample: Sample) -> None:
        """Do what the scaler asks, and keep a point for the plot."""
        if wanted != self._asked:
            self._scalings += 1
            self._asked = wanted
            self._pool.resize(wanted, now)
        elif self._points and now - self._points[-1].at < POINT_SECONDS:
            return
        self._points.append(Point(now, sample.waiting_work, sample.waiting, self._pool.size, len(self._pool.free)))

    def outcome(self, now: float) -> Outcome:
        """What came of it; jobs that nobody took have waited until now."""
        waits = self._waits + [now - arrival for arrival in self._at[self._claimed :]]
        return Outcome(
            trace=self._trace,
            waits=np.array(waits),
            unfinished=len(self._at) - self._done_jobs,
            busy_hours=self._busy / 3600.0,
            worker_hours=self._pool.paid(now) / 3600.0,
            scalings=self._scalings,
            points=tuple(self._points),
        )
