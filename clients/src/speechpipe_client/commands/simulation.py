"""Playing a trace for ``speechpipe simulate``: the policy, progress, the table and the plot."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from speechpipe_client.commands.shared import Exit, fail

if TYPE_CHECKING:
    from speechpipe_operator.autoscaling.types import Policy
    from speechpipe_operator.simulate.contest import Candidate
    from speechpipe_operator.simulate.outcome import Outcome
    from speechpipe_operator.simulate.stage import Stage
    from speechpipe_operator.simulate.trace import Trace
    from speechpipe_operator.spec import SpeechPipeline

MOST_WORKERS: Final = 20
"""Without a document; the spec's own default is meant for one machine."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """The policy to play."""

    policy: "Policy"

    @classmethod
    def of(cls, pipeline: "SpeechPipeline | None", given: Mapping[str, int]) -> Self:
        """The document's policy, with what the command line says instead.

        Raises:
            typer.Exit: 2, after saying why there is none.
        """
        from pydantic import ValidationError

        from speechpipe_operator.autoscaling.stages import policy_of
        from speechpipe_operator.spec import Autoscaling

        base: dict[str, object] = {"max_replicas": max(MOST_WORKERS, given.get("min_replicas", 0))}
        if pipeline is not None:
            if pipeline.spec.stt.autoscaling is None:
                fail(f"{pipeline.metadata.name} has no spec.stt.autoscaling to simulate; leave --file out, or add it")
                raise typer.Exit(Exit.USAGE)
            base = pipeline.spec.stt.autoscaling.model_dump()
        try:
            return cls(policy_of(Autoscaling.model_validate({**base, **given}, by_name=True)))
        except ValidationError as error:
            fail("; ".join(each["msg"].removeprefix("Value error, ") for each in error.errors()))
            raise typer.Exit(Exit.USAGE) from error


def play(trace: "Trace", stage: "Stage", scaling: Scaling, target: Path | None, *, compare: bool) -> None:
    """Simulate, print the table, and write the plot to ``target`` (None: no plot).

    Raises:
        typer.Exit: 1 where the plot can't be written, 2 where matplotlib is missing, after saying so.
    """
    from speechpipe_operator.simulate.contest import Candidate
    from speechpipe_operator.simulate.rivals import rivals

    if target is not None and find_spec("matplotlib") is None:
        fail("the plot needs matplotlib: pip install 'speechpipe-operator[simulate]'; --no-plot does without")
        raise typer.Exit(Exit.USAGE)
    policy = scaling.policy
    candidates = (Candidate("speechpipe", policy), *(rivals(policy) if compare else ()))
    runs = _simulate(trace, replace(stage, initial=max(1, policy.min_replicas)), candidates)
    minutes = trace.length / 60
    typer.echo(f"{trace.name}: {trace.jobs} utterances, {trace.total_work:.0f} s of audio in {minutes:.0f} min")
    _show(runs)
    if target is not None:
        _plot(f"{trace.name}: {trace.jobs} utterances", runs, target)


def _simulate(trace: "Trace", stage: "Stage", candidates: "tuple[Candidate, ...]") -> "list[tuple[str, Outcome]]":
    from speechpipe_operator.simulate.engine import simulate

    runs = []
    with _progress() as progress:
        for candidate in candidates:
            task = progress.add_task(candidate.label, total=1.0)

            def advance(share: float, task: TaskID = task) -> None:
                progress.update(task, completed=share)

            runs.append((candidate.label, simulate(trace, stage, candidate.scaler(), advance)))
            progress.update(task, completed=1.0)
    return runs


@contextmanager
def _progress() -> Iterator[Progress]:
    """Bars on a terminal, gone when all is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress


def _show(runs: "list[tuple[str, Outcome]]") -> None:
    table = Table(box=None, pad_edge=False)
    table.add_column("scaler")
    for heading in ("wait p50", "p95", "p99", "worker-hours", "busy", "most workers", "scalings", "undone"):
        table.add_column(heading, justify="right")
    for name, outcome in runs:
        waits = [f"{outcome.wait(percent):.1f} s" for percent in (50, 95, 99)]
        counts = [str(number) for number in (outcome.most_workers, outcome.scalings, outcome.unfinished)]
        table.add_row(name, *waits, f"{outcome.worker_hours:.2f}", f"{outcome.utilization:.0%}", *counts)
    # In a file or a pipe nothing is cut to the width that a terminal would have.
    Console(highlight=False, width=None if sys.stdout.isatty() else 200).print(table)


def _plot(title: str, runs: "list[tuple[str, Outcome]]", target: Path) -> None:
    from speechpipe_operator.simulate.plot import draw

    try:
        draw(title, runs, target)
    except OSError as error:
        fail(f"{target} can't be written: {error.strerror}")
        raise typer.Exit(Exit.FAILED) from error
    typer.echo(f"wrote {target}")
