"""The workers of a stage: starting, ready, draining; what each is paid for."""

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush, heapreplace
from itertools import islice
from math import inf, log, sqrt

import numpy as np

from speechpipe_operator.simulate.stage import Stage

Timed = tuple[float, int]
"""When, and which worker."""


def _startups(stage: Stage) -> "list[float]":
    """Startup times in seconds; the n-th worker that ever starts takes the n-th, whoever scales."""
    if stage.startup_spread == 0 or stage.startup_seconds == 0:
        return [stage.startup_seconds]
    variance = log(1.0 + stage.startup_spread**2)
    draws = np.random.default_rng(stage.seed).lognormal(0.0, sqrt(variance), 4096)
    return [float(draw) for draw in stage.startup_seconds * draws * np.exp(-variance / 2.0)]


@dataclass(slots=True)
class Pool:
    """Mutable; every call has a ``now`` that never goes back."""

    stage: Stage
    free: list[Timed] = field(default_factory=list)
    """Heap of ready workers by the moment that they are, or were, free."""
    starting: list[Timed] = field(default_factory=list)
    """Heap of starting workers by the moment that they get ready."""
    draining: list[Timed] = field(default_factory=list)
    """Heap of workers told to go, by the end of their last job."""
    unplaced: int = 0
    """Pods that no node has room for."""
    paid_before: float = 0.0
    """Worker-seconds of those that are gone."""
    born: dict[int, float] = field(default_factory=dict)
    """Since when each worker that is there is paid for."""
    _count: int = 0
    _startups: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._startups = _startups(self.stage)
        for _ in range(self.stage.initial):
            heappush(self.free, (0.0, self._new(0.0)))

    @property
    def size(self) -> int:
        """Workers that were asked for and not told to go."""
        return len(self.free) + len(self.starting) + self.unplaced

    def paid(self, now: float) -> float:
        """Worker-seconds paid until ``now``; starting and draining ones cost the same as busy ones."""
        return self.paid_before + sum(now - since for since in self.born.values())

    def next_change(self) -> float:
        """When a worker gets ready, or leaves room for one that waits for it."""
        ready = self.starting[0][0] if self.starting else inf
        room = self.draining[0][0] if self.unplaced and self.draining else inf
        return min(ready, room)

    def change(self, now: float) -> None:
        """Let happen what is due."""
        while self.draining and self.draining[0][0] <= now:
            at, worker = heappop(self.draining)
            self._gone(worker, at)
            self._place(at)
        while self.starting and self.starting[0][0] <= now:
            heappush(self.free, heappop(self.starting))

    def occupy(self, until: float) -> None:
        """The worker that has been free for longest is busy until then."""
        heapreplace(self.free, (until, self.free[0][1]))

    def resize(self, wanted: int, now: float) -> None:
        """Add pods, or tell the cheapest to go: those without a node, then starting, then idle, then the soonest done.

        A ReplicaSet also takes pods that are not ready first; that a busy one goes last, and finishes its job, is
        more than any scaler but ours can ask of it.
        """
        while self.size < wanted:
            self.unplaced += 1
            self._place(now)
        excess = self.size - wanted
        if excess <= 0:
            return
        lost = min(excess, self.unplaced)
        self.unplaced -= lost
        self._cancel(min(excess - lost, len(self.starting)), now)
        for _ in range(self.size - wanted):
            until, worker = heappop(self.free)
            if until <= now:
                self._gone(worker, now)
            else:
                heappush(self.draining, (until, worker))
        self._place(now)

    def _cancel(self, count: int, now: float) -> None:
        for each in sorted(self.starting, reverse=True)[:count]:
            self.starting.remove(each)
            self._gone(each[1], now)
        heapify(self.starting)

    def _place(self, now: float) -> None:
        room = inf if self.stage.gpus is None else self.stage.gpus - len(self.born)
        for _ in islice(range(self.unplaced), int(max(0, min(room, self.unplaced)))):
            worker = self._new(now)
            heappush(self.starting, (now + self._startups[worker % len(self._startups)], worker))
            self.unplaced -= 1

    def _new(self, now: float) -> int:
        self._count += 1
        self.born[self._count] = now
        return self._count

    def _gone(self, worker: int, now: float) -> None:
        self.paid_before += now - self.born.pop(worker)
