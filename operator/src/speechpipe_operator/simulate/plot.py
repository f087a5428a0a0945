"""Work, workers and waits over time, as a PNG. Needs matplotlib, which is the extra ``simulate``."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from speechpipe_operator.simulate.outcome import Outcome
from speechpipe_operator.simulate.trace import Floats, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS: Final = 240
SHORTEST_BIN: Final = 10.0
"""Seconds."""
COLORS: Final = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple")


def draw(title: str, runs: Sequence[tuple[str, Outcome]], path: Path) -> None:
    """Three panels over the same time: audio that arrives and waits, workers, the wait of the slowest in a hundred.

    Args:
        title: above all.
        runs: what to draw, by name; all of the same trace. One shows ready workers too.
        path: the PNG to write.

    Raises:
        ModuleNotFoundError: matplotlib is not installed.
        OSError: ``path`` can't be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 8.5), layout="constrained")
    FigureCanvasAgg(figure)
    work, workers, wait = figure.subplots(3, 1, sharex=True)
    trace = runs[0][1].trace
    _arrivals(work, trace)
    for (name, outcome), color in zip(runs, COLORS * len(runs), strict=False):
        _run(work, workers, name, outcome, color, alone=len(runs) == 1)
        edges, values = slowest(outcome)
        wait.stairs(values, edges / 60, color=color, label=name, baseline=None)
    work.set_ylabel("audio-seconds")
    workers.set_ylabel("workers")
    wait.set_ylabel("wait, s (p99)")
    wait.set_xlabel("minutes")
    for axes in (work, workers, wait):
        axes.grid(alpha=0.3)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right", fontsize="small")
    figure.suptitle(title)
    figure.savefig(path, dpi=110, format="png")


def slowest(outcome: Outcome) -> tuple[Floats, Floats]:
    """Edges in seconds, and the 99th percentile of the wait of jobs that arrived between them (NaN: none did)."""
    edges = _edges(outcome.trace)
    values = np.full(len(edges) - 1, np.nan)
    begins = np.searchsorted(outcome.trace.at, edges)
    for index, (first, last) in enumerate(pairwise(begins)):
        if last > first:
            values[index] = np.percentile(outcome.waits[first:last], 99)
    return edges, values


def _edges(trace: Trace) -> Floats:
    width = max(SHORTEST_BIN, trace.length / BINS)
    return np.arange(0.0, trace.length + 2 * width, width)


def _arrivals(axes: "Axes", trace: Trace) -> None:
    edges = _edges(trace)
    arrived, _ = np.histogram(trace.at, bins=edges, weights=trace.work)
    per_minute = arrived / np.diff(edges) * 60
    axes.stairs(per_minute, edges / 60, color="tab:gray", fill=True, alpha=0.35, label="arriving in a minute")


def _run(work: "Axes", workers: "Axes", name: str, outcome: Outcome, color: str, *, alone: bool) -> None:
    minutes = [point.at / 60 for point in outcome.points]
    asked = [point.workers for point in outcome.points]
    work.plot(minutes, [point.work for point in outcome.points], color=color, linewidth=1.2, label=f"{name}: waiting")
    workers.step(minutes, asked, where="post", color=color, linewidth=1.2, label=f"{name}: asked for")
    if alone:
        ready = [point.ready for point in outcome.points]
        workers.fill_between(minutes, ready, step="post", color=color, alpha=0.25, label=f"{name}: ready")
