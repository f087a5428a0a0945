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
from pathlib import Path
from statistics import geometric_mean

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


def tell(reported: dict[Family, list[Score]]) -> bool:
    """The table of costs, the settings, and the headline trace by trace; True when the bar holds."""
    say(f"\nWorker-hours on {', '.join(UNSEEN)} together, at a mean p99 wait of at most:")
    say("| | " + " | ".join(f"{budget:g} s" for budget in BUDGETS) + " |")
    for family, scores in reported.items():
        found = [cheapest(scores, budget) for budget in BUDGETS]
        say(f"| {family} | " + " | ".join(f"{each.worker_hours:.1f}" if each else "never" for each in found) + " |")
    chosen = {family: cheapest(scores, HEADLINE) for family, scores in reported.items()}
    mine = chosen["speechpipe"]
    if mine is None or chosen["KEDA + HPA"] is None:
        say("the headline can't be told: a family is never that quick")
        return False
    say(f"\nThe cheapest settings within {HEADLINE:g} s (wait p99 in seconds / worker-hours):")
    say("| | " + " | ".join(UNSEEN) + " | settings |")
    for family, each in chosen.items():
        if each is not None:
            cells = " | ".join(f"{result.p99:.1f} / {result.worker_hours:.1f}" for result in each.results)
            say(f"| {family} | {cells} | {each.candidate.label} |")
    for family, each in chosen.items():
        if each is not None and each is not mine:
            for lost in losses(mine, each):
                say(f"lost to {family} on {lost}")
    for family in ("Knative KPA", "KEDA + HPA"):
        bar = headline(reported["speechpipe"], reported[family], family)
    return bar <= BAR


def headline(mine: list[Score], theirs: list[Score], family: Family) -> float:
    """For each setting on the other's front, our cheapest that waits no longer; the geometric mean of the ratios."""
    say(f"\nWorker-hours at no worse a wait than each setting on the front of {family}:")
    ratios = []
    for each in front(theirs):
        own = cheapest(mine, each.p99)
        if own is None:
            say(f"  {each.p99:5.1f} s for {each.worker_hours:.1f}: ours is never that quick")
            continue
        ratios.append(own.worker_hours / each.worker_hours)
        found = f"ours {own.worker_hours:.1f} ({own.p99:.1f} s), x {ratios[-1]:.2f}"
        say(f"  {each.p99:5.1f} s for {each.worker_hours:.1f}: {found}")
    mean = geometric_mean(ratios) if ratios else float("inf")
    say(f"  on average x {mean:.2f}" + (f" (bar {BAR})" if family == "KEDA + HPA" else ""))
    return mean


def losses(mine: Score, theirs: Score) -> Iterator[str]:
    """Traces on which ours costs more or is slower, with both figures."""
    for own, other in zip(mine.results, theirs.results, strict=True):
        if own.worker_hours > other.worker_hours:
            yield f"{own.trace}: {own.worker_hours:.1f} worker-hours for {other.worker_hours:.1f}"
        if own.p99 > other.p99:
            yield f"{own.trace}: p99 wait {own.p99:.1f} s for {other.p99:.1f} s"


def plot(reported: dict[Family, list[Score]], path: Path) -> None:
    """Each family's settings on the unseen traces, and the front among them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for family, scores in reported.items():
        best = front(scores)
        drawn = axes.plot([each.worker_hours for each in best], [each.p99 for each in best], marker="o", label=family)
        color = drawn[0].get_color()
        axes.scatter([each.worker_hours for each in scores], [each.p99 for each in scores], color=color, alpha=0.3)
    axes.set_yscale("log")
    axes.set_ylim(1, 100)
    axes.set_xlabel("worker-hours on five unseen traces")
    axes.set_ylabel("wait p99, s (mean of the traces)")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    figure.savefig(path, dpi=110)
    say(f"wrote {path}")


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Cost against waiting, of three autoscalers.")
    parser.add_argument("--out", type=Path, default=Path("autoscaling.png"), help="PNG to write")
    options = parser.parse_args()
    reported = contest()
    good = tell(reported)
    plot(reported, options.out)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
