"""Settings of several scalers, played on the same traces, and which of them are worth having."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.simulate.engine import simulate
from speechpipe_operator.simulate.keda import Keda, ScaledObject
from speechpipe_operator.simulate.kpa import Kpa, KpaConfig
from speechpipe_operator.simulate.ours import Ours
from speechpipe_operator.simulate.outcome import Outcome
from speechpipe_operator.simulate.scaler import Scaler
from speechpipe_operator.simulate.stage import Stage
from speechpipe_operator.simulate.trace import Trace

Family = Literal["speechpipe", "KEDA + HPA", "Knative KPA"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One scaler with one choice of its settings."""

    label: str
    settings: Policy | ScaledObject | KpaConfig

    @property
    def family(self) -> Family:
        """Whose settings these are."""
        match self.settings:
            case Policy():
                return "speechpipe"
            case ScaledObject():
                return "KEDA + HPA"
            case KpaConfig():
                return "Knative KPA"

    def scaler(self) -> Scaler:
        """A new scaler, with nothing remembered."""
        match self.settings:
            case Policy() as policy:
                return Ours(policy)
            case ScaledObject() as spec:
                return Keda(spec)
            case KpaConfig() as config:
                return Kpa(config)


@dataclass(frozen=True, slots=True)
class Result:
    """One candidate on one trace."""

    trace: str
    p50: float
    p99: float
    """Wait in seconds."""
    worker_hours: float
    unfinished: int
    most_workers: int
    scalings: int


@dataclass(frozen=True, slots=True)
class Score:
    """One candidate on several traces."""

    candidate: Candidate
    results: tuple[Result, ...]

    @property
    def worker_hours(self) -> float:
        """Of all traces together."""
        return sum(result.worker_hours for result in self.results)

    @property
    def p99(self) -> float:
        """Mean of the traces' 99th percentiles of the wait, in seconds: each trace counts alike, however busy it is."""
        return sum(result.p99 for result in self.results) / len(self.results)


def result(outcome: Outcome) -> Result:
    """What a comparison keeps of an outcome."""
    return Result(
        outcome.trace.name,
        outcome.wait(50),
        outcome.wait(99),
        outcome.worker_hours,
        outcome.unfinished,
        outcome.most_workers,
        outcome.scalings,
    )


def score(candidate: Candidate, traces: Iterable[Trace], stage: Stage) -> Score:
    """Play ``candidate`` on each trace, with a fresh memory each time."""
    return Score(candidate, tuple(result(simulate(trace, stage, candidate.scaler())) for trace in traces))


def front(scores: Iterable[Score]) -> list[Score]:
    """The Pareto front, cheapest first: no other is both cheaper and quicker. What leaves jobs undone is out."""
    kept: list[Score] = []
    finished = (each for each in scores if not any(result.unfinished for result in each.results))
    for each in sorted(finished, key=lambda each: (each.worker_hours, each.p99)):
        if not kept or each.p99 < kept[-1].p99:
            kept.append(each)
    return kept


def cheapest(scores: Sequence[Score], p99: float) -> Score | None:
    """The one with the fewest worker-hours whose mean p99 is no higher; None where none is that quick."""
    return min((each for each in front(scores) if each.p99 <= p99), key=lambda each: each.worker_hours, default=None)
