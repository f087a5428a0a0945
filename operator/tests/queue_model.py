"""A small deterministic model of one stage: a queue of jobs, workers that take one at a time, and the operator's loop.

Time goes in steps of ``TICK`` seconds. Nothing in it is measured, so a timeline is the same on every machine.
"""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from speechpipe_operator.autoscaling.decide import decide
from speechpipe_operator.autoscaling.memory import Memory
from speechpipe_operator.autoscaling.types import Backlog, Decision, Observation, Policy, Workers

TICK = 0.1


@dataclass
class Worker:
    """Ready at ``ready_at``; ``left`` seconds of work on the job that it holds."""

    ready_at: float
    left: float = 0.0
    arrived: float = 0.0


@dataclass
class Stage:
    """One stage, its workers and its operator.

    Args:
        policy: of the operator.
        replicas: workers that are ready at the start.
        speed: work per second of one worker.
        startup: seconds until a new worker is ready.
        gpus: workers that find a node; the others stay unschedulable.
        poll: seconds between decisions.
    """

    policy: Policy
    replicas: int
    speed: float = 1.0
    startup: float = 20.0
    gpus: int = 1000
    poll: float = 2.0
    now: float = 1000.0
    rolling: bool = False
    upstream_rate: float = 0.0
    broken: str = ""
    queue: list[tuple[float, float]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    history: list[tuple[float, Decision]] = field(default_factory=list)
    worker_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.workers = [Worker(self.now) for _ in range(min(self.replicas, self.gpus))]
        self.memory = Memory.starting(self.replicas, self.now)
        self.backlog = Backlog(0, 0, 0, 0.0, 0.0, 0, 0.0, 0.0)
        self.begun = self.now
        self.due = self.now

    def run(self, seconds: float, arrivals: Iterable[tuple[float, float]] = ()) -> list[int]:
        """Let time pass; ``arrivals`` are (seconds from now, work) in order. Returns the numbers that it decided."""
        start, before = self.now, len(self.history)
        coming = [(start + at, work) for at, work in arrivals if at < seconds]
        for _ in range(round(seconds / TICK)):
            while coming and coming[0][0] <= self.now:
                self._arrive(coming.pop(0)[1])
            self._work()
            self.now = round(self.now + TICK, 6)
            if self.now >= self.due:
                self.due = self.now + self.poll
                self._operate()
        return [decision.replicas for _, decision in self.history[before:]]

    def restart_operator(self) -> None:
        """Forget everything, as a new operator does."""
        self.memory = Memory.starting(self.replicas, self.now)

    @property
    def decision(self) -> Decision:
        """The newest."""
        return self.history[-1][1]

    def _arrive(self, work: float) -> None:
        self.queue.append((self.now, work))
        self.backlog = replace(
            self.backlog,
            arrived_work=self.backlog.arrived_work + work,
            arrived_jobs=self.backlog.arrived_jobs + 1,
        )

    def _work(self) -> None:
        for worker in self.workers:
            self.worker_seconds += TICK
            if worker.ready_at > self.now:
                continue
            if worker.left <= 0 and self.queue:
                worker.arrived, work = self.queue.pop(0)
                self.waits.append(self.now - worker.arrived)
                worker.left = work / self.speed
            if worker.left > 0:
                spent = min(TICK, worker.left)
                worker.left = max(0.0, worker.left - TICK)
                self.backlog = replace(
                    self.backlog,
                    done_work=self.backlog.done_work + spent * self.speed,
                    busy_seconds=self.backlog.busy_seconds + spent,
                )

    def observation(self) -> Observation:
        """What the operator sees now."""
        busy = [worker for worker in self.workers if worker.left > 0]
        oldest = min([at for at, _ in self.queue] + [worker.arrived for worker in busy], default=self.now)
        ready = sum(worker.ready_at <= self.now for worker in self.workers)
        workers = Workers(
            desired=self.replicas,
            ready=ready,
            starting=len(self.workers) - ready,
            unschedulable=max(0, self.replicas - len(self.workers)),
            rolling=self.rolling,
        )
        if self.broken:
            return Observation(None, workers, error=self.broken)
        backlog = replace(
            self.backlog, undelivered=len(self.queue), pending=len(busy), oldest_seconds=self.now - oldest
        )
        return Observation(backlog, workers, self.upstream_rate)

    def _operate(self) -> None:
        decision, self.memory = decide(self.policy, self.observation(), self.memory, self.now)
        self.history.append((self.now - self.begun, decision))
        self.replicas = decision.replicas
        while len(self.workers) < min(self.replicas, self.gpus):
            self.workers.append(Worker(self.now + self.startup))
        # A worker that holds work stays until it is done, as the scaler sees to.
        for worker in sorted(self.workers, key=lambda one: -one.ready_at):
            if len(self.workers) > self.replicas and worker.left <= 0:
                self.workers.remove(worker)


def constant(rate: float, work: float, seconds: float, at: float = 0.0) -> list[tuple[float, float]]:
    """Jobs of ``work`` at equal distances, ``rate`` of work a second."""
    step = work / rate
    return [(at + step * (index + 0.5), work) for index in range(int(seconds / step))]


def poisson(rate: Callable[[float], float], seconds: float, seed: int) -> list[tuple[float, float]]:
    """Jobs of 1 to 10 s at random, ``rate(time)`` of work a second."""
    chance, at, jobs = random.Random(seed), 0.0, []
    while at < seconds:
        work = chance.uniform(1.0, 10.0)
        at += chance.expovariate(max(1e-6, rate(at)) / 5.5)
        jobs.append((at, work))
    return jobs


def changes(numbers: list[int]) -> list[int]:
    """The numbers, each only where it differs from the one before."""
    return [number for index, number in enumerate(numbers) if index == 0 or number != numbers[index - 1]]
