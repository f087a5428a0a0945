"""Worker-hours against waiting: our autoscaler, KEDA + HPA and Knative's KPA on the same traces.

    .venv/bin/python bench/autoscaling.py

Simulated (``speechpipe_operator.simulate``): the real ``decide``, and models of the others after their documentation
and code. Each family's settings are swept on the five tuning traces; those that nothing of the same family beats there
are played on the five unseen traces, and only that is reported. The wait of a setting is the mean of the traces' 99th
percentiles; its cost the sum of their worker-hours, starting and draining workers included. The headline: for
each setting on the others' front, the cheapest of ours that waits no longer. The bar: 30 % fewer worker-hours than
KEDA + HPA.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from itertools import product
from multiprocessing import Pool
from statistics import geometric_mean

from results import Figure, Line, Plot, Result, Table, publish
from shared import say

from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.simulate.builtin import TUNING, UNSEEN, named
from speechpipe_operator.simulate.contest import Candidate, Family, Score, cheapest, front, score
from speechpipe_operator.simulate.hpa import Behavior, Direction
from speechpipe_operator.simulate.keda import Metric, ScaledObject
from speechpipe_operator.simulate.kpa import KpaConfig
from speechpipe_operator.simulate.stage import Stage

MOST = 100
MINIMA = (0, 2)
STAGE = Stage()
BUDGETS = (5.0, 10.0, 20.0)
"""Waits (seconds, mean p99) that the table compares costs at."""
HEADLINE = 10.0
BAR = 0.7
PRIOR_SPEED = 3.0
"""The spec's default; the simulated workers do 2, which must be found out."""
TRIGGERS: tuple[tuple[tuple[Metric, float], ...], ...] = (
    (("lagCount", 5.0),),
    (("lagCount", 20.0),),
    (("streamLength", 1.0),),
    (("streamLength", 0.7),),
    (("pendingEntriesCount", 0.7), ("lagCount", 1.0)),
    (("pendingEntriesCount", 0.7), ("lagCount", 3.0)),
    (("pendingEntriesCount", 0.7), ("lagCount", 10.0)),
)
"""A sweep of 19 triggers, whole numbers and fractions, chose none but the last four and ``lagCount`` 20."""


def ours() -> Iterator[Candidate]:
    """Drain target, utilisation, minimum; all with a stabilisation of 60 s, which a wider sweep preferred to 120."""
    for drain, use, least, window in product((1.0, 2.0, 3.0, 5.0, 10.0), (0.7, 0.8, 0.9), MINIMA, (60.0,)):
        policy = Policy(least, MOST, drain, utilization=use, prior_speed=PRIOR_SPEED, stabilization_seconds=window)
        yield Candidate(f"drain {drain:g} s, busy {use:.0%}, min {least}, down after {window:g} s", policy)


def keda() -> Iterator[Candidate]:
    """Triggers with targets, minimum, and both stabilisation windows of the HPA."""
    rules = Behavior()
    for triggers, least, down, up in product(TRIGGERS, MINIMA, (60.0, 120.0), (0.0, 30.0)):
        behavior = Behavior(Direction(up, rules.up.rules), Direction(down, rules.down.rules))
        named_triggers = " + ".join(f"{metric} {target:g}" for metric, target in triggers)
        label = f"{named_triggers}, min {least}, down after {down:g} s, up after {up:g} s"
        yield Candidate(label, ScaledObject(triggers, least, MOST, behavior=behavior))


def kpa() -> Iterator[Candidate]:
    """Target concurrency, minimum, window, scale-down delay."""
    for jobs, least, window, delay in product((0.8, 1.0), MINIMA, (60.0,), (0.0, 60.0)):
        config = KpaConfig(jobs, min_replicas=least, max_replicas=MOST, stable_seconds=window, scale_down_delay=delay)
        yield Candidate(f"concurrency {jobs:g}, min {least}, window {window:g} s, delay {delay:g} s", config)


def play(traces: tuple[str, ...], candidate: Candidate) -> Score:
    """One setting on those traces; called in another process."""
    return score(candidate, [named(name) for name in traces], STAGE)


def contest() -> dict[Family, list[Score]]:
    """On the unseen traces, of each family the settings that were best on the tuning traces."""
    reported: dict[Family, list[Score]] = {}
    with Pool(2) as pool:
        for candidates in (list(ours()), list(keda()), list(kpa())):
            began = time.monotonic()
            tuned: list[Score] = []
            for done, each in enumerate(pool.imap_unordered(partial(play, TUNING), candidates, chunksize=4), start=1):
                tuned.append(each)
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{each.candidate.family}: {done} of {len(candidates)} settings ")
            best = [each.candidate for each in front(tuned)]
            reported[best[0].family] = pool.map(partial(play, UNSEEN), best, chunksize=1)
            say(f"\r{best[0].family}: {len(candidates)} settings in {time.monotonic() - began:.0f} s, {len(best)} kept")
    return reported


def findings(reported: dict[Family, list[Score]]) -> Result:
    """Costs at given waits, each front against ours, and the cheapest settings trace by trace."""
    chosen = {family: each for family, scores in reported.items() if (each := cheapest(scores, HEADLINE))}
    mine = chosen.get("speechpipe")
    rivals: tuple[Family, ...] = ("KEDA + HPA", "Knative KPA")
    fronts = {family: against_front(reported["speechpipe"], reported[family], family) for family in rivals}
    notes = [
        f"lost to {family} on {lost}"
        for family, each in chosen.items()
        if mine is not None and each is not mine
        for lost in losses(mine, each)
    ]
    bars = {"KEDA + HPA": BAR, "Knative KPA": None}
    return Result(
        "autoscaling",
        "autoscaling.py",
        figures=[
            Figure(f"worker-hours of ours by those of {family}, at no longer a wait", mean, bar=bars[family])
            for family, (_, mean) in fronts.items()
        ],
        tables=[by_budget(reported), by_trace(chosen), *(table for table, _ in fronts.values())],
        plots=[front_plot(reported)],
        notes=notes,
    )


def by_budget(reported: dict[Family, list[Score]]) -> Table:
    """What each scaler costs where people may wait for so long."""
    rows = []
    for family, scores in reported.items():
        found = [cheapest(scores, budget) for budget in BUDGETS]
        rows.append([str(family), *(f"{each.worker_hours:.1f}" if each else "never" for each in found)])
    columns = ["", *(f"{budget:g} s" for budget in BUDGETS)]
    return Table(columns, rows, "Worker-hours on the five unseen traces together, at a mean p99 wait of at most")


def by_trace(chosen: dict[Family, Score]) -> Table:
    """The cheapest setting of each scaler within the headline's wait."""
    rows = [
        [str(family), *(f"{one.p99:.1f} s / {one.worker_hours:.1f}" for one in each.results), each.candidate.label]
        for family, each in chosen.items()
    ]
    title = f"The cheapest settings within {HEADLINE:g} s (wait p99 / worker-hours)"
    return Table(["", *UNSEEN, "settings"], rows, title)


def against_front(mine: list[Score], theirs: list[Score], family: Family) -> tuple[Table, float]:
    """For each setting on the other's front, our cheapest that waits no longer; the geometric mean of the ratios."""
    rows, ratios = [], []
    for each in front(theirs):
        own = cheapest(mine, each.p99)
        cells = ["never that quick", ""]
        if own is not None:
            ratios.append(own.worker_hours / each.worker_hours)
            cells = [f"{own.worker_hours:.1f} ({own.p99:.1f} s)", f"{ratios[-1]:.2f}"]
        rows.append([f"{each.p99:.1f} s, {each.worker_hours:.1f} worker-hours", *cells])
    columns = [f"{family}, each setting on its front", "ours, the cheapest that waits no longer", "ratio"]
    return Table(columns, rows), geometric_mean(ratios) if ratios else float("inf")


def losses(mine: Score, theirs: Score) -> Iterator[str]:
    """Traces on which ours costs more or is slower, with both figures."""
    for own, other in zip(mine.results, theirs.results, strict=True):
        if own.worker_hours > other.worker_hours:
            yield f"{own.trace}: {own.worker_hours:.1f} worker-hours for {other.worker_hours:.1f}"
        if own.p99 > other.p99:
            yield f"{own.trace}: p99 wait {own.p99:.1f} s for {other.p99:.1f} s"


def front_plot(reported: dict[Family, list[Score]]) -> Plot:
    """Each family's front on the unseen traces."""
    lines = [Line(str(family), [(each.worker_hours, each.p99) for each in front(s)]) for family, s in reported.items()]
    cost = "worker-hours on five unseen traces"
    return Plot("autoscaling", "Cost against waiting", cost, "wait p99, s (mean of the traces)", lines, log_y=True)


def main() -> int:
    """Run it."""
    argparse.ArgumentParser(description="Cost against waiting, of three autoscalers.").parse_args()
    return publish(findings(contest()))


if __name__ == "__main__":
    sys.exit(main())
