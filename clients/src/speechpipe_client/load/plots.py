"""Draws a report. Needs matplotlib, which is in the extra ``load``."""

import base64
import html
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from speechpipe_client.load.report import Report, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE = "body{font:15px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}img{max-width:100%}"


def write_png(report: Report, path: Path) -> None:
    """All plots in one picture.

    Raises:
        OSError: it can't be written.
    """
    figure = draw(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def write_html(report: Report, path: Path, text: str) -> None:
    """One page that needs nothing else: the plots, ``text`` as the terminal shows it, and the report as JSON.

    Raises:
        OSError: it can't be written.
    """
    picture = io.BytesIO()
    draw(report).savefig(picture, dpi=110, format="png")
    encoded = base64.b64encode(picture.getvalue()).decode()
    # "</" would end the script element early; in JSON "<\/" means the same.
    data = msgspec.json.encode(report).decode().replace("</", "<\\/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>speechpipe load</title><style>{STYLE}</style>'
        f'<h1>speechpipe load</h1><img alt="plots" src="data:image/png;base64,{encoded}"><pre>{html.escape(text)}</pre>'
        f'<script type="application/json" id="report">{data}</script></html>\n',
        encoding="utf-8",
    )


def draw(report: Report) -> "Figure":
    """Waits against the number of streams for a search, else waits over time and their distribution."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2)
    if report.target is not None:
        _by_streams(report, left)
        _costs(report.stages, right)
    elif report.stages:
        _over_time(report.stages[-1], left)
        _distribution(report.stages[-1], right)
    return figure


def _by_streams(report: Report, axes: "Axes") -> None:
    stages = sorted(report.stages, key=lambda each: each.streams)
    for name in ("p50", "p95", "p99"):
        points = [(each.streams, getattr(each.beyond_silence, name)) for each in stages if each.beyond_silence]
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
    if report.target is not None:
        axes.axhline(report.target, color="gray", linestyle="--", label="target")
    axes.set(xlabel="streams", ylabel="final, seconds beyond the silence", yscale="symlog")
    axes.grid(alpha=0.3)
    axes.legend()


def _costs(stages: Sequence[Stage], axes: "Axes") -> None:
    ordered = sorted(stages, key=lambda each: each.streams)
    for name in dict.fromkeys(server.name for stage in ordered for server in stage.servers):
        points = [(stage.streams, server.cores) for stage in ordered for server in stage.servers if server.name == name]
        axes.plot([x for x, _ in points], [y for _, y in points], marker="o", label=name)
    axes.plot(
        [each.streams for each in ordered], [each.client.cores for each in ordered], marker="x", label="this load"
    )
    axes.set(xlabel="streams", ylabel="cores")
    axes.grid(alpha=0.3)
    axes.legend()


def _over_time(stage: Stage, axes: "Axes") -> None:
    for label, points in _series(stage):
        axes.plot([x for x, _ in points], [y for _, y in points], ".", label=label)
    axes.set(xlabel="seconds", ylabel="wait, seconds", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.legend()


def _distribution(stage: Stage, axes: "Axes") -> None:
    for label, points in _series(stage):
        waits = sorted(wait for _, wait in points)
        axes.step(waits, [(rank + 1) / len(waits) for rank in range(len(waits))], where="post", label=label)
    axes.set(xlabel="wait, seconds", ylabel="share of utterances", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()


def _series(stage: Stage) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    yield "end of speech to final", stage.finals_at
    yield "start of speech to first partial", stage.partials_at
