"""What a person sees: progress while a load runs, and its report."""

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from speechpipe_client.load.outcome import outcomes
from speechpipe_client.load.report import Report, Stage
from speechpipe_client.load.run import Audience
from speechpipe_client.load.spread import Spread, spread
from speechpipe_client.load.stage import Measured
from speechpipe_client.load.stream import State

LINE_SECONDS: Final = 10.0
"""Between two lines where there is no terminal for a bar."""

RECENT_SECONDS: Final = 15.0
SILENT_STREAMS: Final = 5
"""Streams with problems that the terminal shows; JSON holds all."""


class View(Audience):
    """A bar on a terminal's standard error, or a line now and then; reports go to standard output."""

    def __init__(self, out: Console | None = None) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._out = out or Console(highlight=False, markup=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[found]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task("", total=1, found="")
        self._said = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def note(self, text: str) -> None:
        """A line on standard error."""
        self._console.print(text)

    def look(self, load: Measured) -> None:
        """Show how a load is getting on."""
        now = time.monotonic()
        plan = load.plan
        done = min(now - load.began, plan.ramp + plan.hold)
        shown = f"{_streams(plan.streams)}, {load.phase}"
        if self._console.is_terminal:
            self._bar.update(self._task, description=shown, total=plan.ramp + plan.hold, completed=done)
            if now - self._said >= 1.0:
                self._said = now
                self._bar.update(self._task, found=progress(load, now))
        elif now - self._said >= LINE_SECONDS:
            self._said = now
            self.note(f"{shown}, {done:.0f} of {plan.ramp + plan.hold:.0f} s: {progress(load, now)}")

    def tell(self, stage: Stage) -> None:
        """One line about a load that is over, and what is to be said of it."""
        late = "no finals" if stage.beyond_silence is None else f"p95 {_milliseconds(stage.beyond_silence.p95)}"
        self.note(f"{_streams(stage.streams)}: {late} beyond the silence, {stage.held} held")

    def report(self, report: Report) -> None:
        """The tables, and what they mean."""
        for stage in report.stages if report.target is None else ():
            self._out.print(figures(stage))
            self._out.print(latencies(stage))
            for line in _troubled(stage):
                self._out.print(line)
        if report.target is not None:
            self._out.print(search_table(report))
            self._out.print(capacity_sentence(report))
        for stage in report.stages:
            for sentence in stage.verdict:
                self._out.print(f"{_streams(stage.streams)}: {sentence}.")


def progress(load: Measured, now: float) -> str:
    """How many speak, and what they have waited lately."""
    recent = [
        outcome.latency
        for stream in load.streams
        for outcome in outcomes(stream.talker.said[-3:], stream.record)[0]
        if outcome.latency is not None and outcome.ended >= now - RECENT_SECONDS
    ]
    late = spread(recent)
    lost = load.count(State.REFUSED, State.FAILED)
    parts = [f"{load.count(State.SPEAKING)} speaking"]
    parts += [f"{lost} refused or lost"] if lost else []
    parts += [f"final p95 {_milliseconds(late.p95)}"] if late else []
    return ", ".join(parts)


def figures(stage: Stage) -> Table:
    """Counts, words, bytes and costs."""
    table = Table(title=f"{_streams(stage.streams)} for {stage.seconds:.0f} s", show_header=False, show_edge=False)
    table.add_column("what")
    table.add_column("figure", overflow="fold")
    table.add_row("held / refused / failed", f"{stage.held} / {stage.refused} / {stage.failed}")
    table.add_row("connections cut / resumed", f"{stage.cuts} / {stage.resumed}")
    complete = "-" if stage.complete is None else f"{stage.complete:.2%} of {stage.utterances} utterances"
    table.add_row("finalised whole", f"{complete}, {stage.strays} finals of nothing that was said")
    rate = "- (no transcripts)" if stage.word_error_rate is None else f"{stage.word_error_rate:.4f}"
    table.add_row("word error rate", rate)
    table.add_row("errors", str(stage.errors))
    table.add_row("sent / received", f"{stage.bytes_sent / 1e6:.2f} MB / {stage.bytes_received / 1e6:.2f} MB")
    for server in stage.servers:
        table.add_row(server.name, f"{server.cores:.2f} cores, {server.memory_bytes / 1e6:.0f} MB")
    client = stage.client
    late = f"frames late by {_milliseconds(client.late_p99)} (p99), {_milliseconds(client.late_max)} (most)"
    table.add_row("this load", f"{client.cores:.2f} cores = {client.machine_share:.1%} of the machine, {late}")
    return table


def latencies(stage: Stage) -> Table:
    """The four spreads."""
    table = Table("seconds", "count", "p50", "p95", "p99", "most", show_edge=False)
    for name, found in _spreads(stage):
        row = ["-"] * 5 if found is None else [str(found.count), *(f"{value:.3f}" for value in _values(found))]
        table.add_row(name, *row)
    return table


def search_table(report: Report) -> Table:
    """Every probe of a search, by its number of streams."""
    table = Table("streams", "p50", "p95", "p99", "finalised", "WER", "this load", title="beyond the silence, seconds")
    for stage in sorted(report.stages, key=lambda each: each.streams):
        late = stage.beyond_silence
        cells = ["-"] * 3 if late is None else [f"{value:.3f}" for value in (late.p50, late.p95, late.p99)]
        complete = "-" if stage.complete is None else f"{stage.complete:.1%}"
        rate = "-" if stage.word_error_rate is None else f"{stage.word_error_rate:.3f}"
        table.add_row(str(stage.streams), *cells, complete, rate, f"{stage.client.machine_share:.1%}")
    return table


def capacity_sentence(report: Report) -> str:
    """The answer of a search."""
    target = _milliseconds(report.target or 0.0)
    if not report.capacity:
        return f"Not even the fewest streams that were tried kept p95 within {target} beyond the silence."
    more = "" if report.capacity_bounded else "; more were not tried"
    return f"Held with p95 within {target} beyond the silence: {_streams(report.capacity)}{more}."


def _spreads(stage: Stage) -> Iterator[tuple[str, Spread | None]]:
    yield "end of speech to final", stage.final_latency
    yield "  beyond the silence threshold", stage.beyond_silence
    yield "start of speech to first partial", stage.first_partial
    yield "from partial to partial", stage.partial_gap


def _values(found: Spread) -> tuple[float, float, float, float]:
    return found.p50, found.p95, found.p99, found.max


def _troubled(stage: Stage) -> Iterator[str]:
    for stream in [each for each in stage.per_stream if each.problems][:SILENT_STREAMS]:
        yield f"stream {stream.number} ({stream.state}): {'; '.join(stream.problems)}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"
