"""Many live streams on one machine: waits at eight, the most within half a second, and what the load itself costs.

    .venv/bin/python bench/streams.py --speech DIR [--device cuda] [--only latency]

``speechpipe load`` in this process: clips of ``DIR`` (with a ``manifest.json``) and the English ones of
pytest-audioeval at real-time pace in frames of 100 ms, with partials, against pipelines of their own. Waits are counted
from when the last sample of speech was spoken (not sent), beyond the silence threshold of 0.8 s; those at eight streams
in frames of 20 ms too, since a sample waits for the end of its frame before it is sent. The search is done with the
batched engine, with the reference engine in the same system, and with faster-whisper alone, which is told when speech
ends.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from results import RESULTS, Figure, Line, Plot, Result, Table, publish
from shared import Device, audioeval_folder, say

from speechpipe_client.load.clips import read_folder
from speechpipe_client.load.embedded import embedded, load_plan
from speechpipe_client.load.lines import Wish
from speechpipe_client.load.report import Report, Stage
from speechpipe_client.load.run import Audience, Request, run_load
from speechpipe_client.load.schedule import Plan
from speechpipe_client.load.stage import Stop
from speechpipe_client.load.talker import Clip, Framing

FRAMING: Final = Framing(100)
LATENCY_STREAMS: Final = 8
LATENCY_FRAMINGS: Final = (FRAMING, Framing(20))
LATENCY_BAR: Final = 0.150
COST_STREAMS: Final = 100
COST_BAR: Final = 0.20
TARGET: Final = 0.5
CAPACITY_BAR: Final = 5.0
ENGINES: Final = ("batched", "reference", "faster-whisper")
"""The last one is no engine of ours but ``transcribe`` alone."""


Found = tuple[list[Figure], list[Table], list[Plot]]
"""What a part of the bench has to show."""


class Teller(Audience):
    """Says a line about each load."""

    def tell(self, stage: Stage) -> None:
        """Its waits, what is missing, and the load's own cost."""
        late = "no finals" if stage.beyond_silence is None else f"p95 {stage.beyond_silence.p95:.3f} s"
        complete = "-" if stage.complete is None else f"{stage.complete:.1%}"
        say(f"  {stage.streams} streams: {late}, {complete} finalised, load {stage.client.machine_share:.1%}")
        for sentence in stage.verdict:
            say(f"    {sentence}")


def clips(speech: Path, framing: Framing) -> list[Clip]:
    """English speech."""
    own = read_folder(speech, framing, ["en"], say)
    return [*own, *read_folder(audioeval_folder(), framing, ["en"], say)]


@asynccontextmanager
async def loaded(request: Request, engine: str, log: Path) -> AsyncIterator[Request]:
    """The request with something to load."""
    if engine == "faster-whisper":
        yield replace(request, peer="faster-whisper")
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    async with embedded(load_plan(request.model, engine, request.device), log) as (urls, processes):
        yield replace(request, wish=replace(request.wish, urls=urls), processes=processes)


async def load(request: Request, engine: str) -> Report:
    """One load, or one search."""
    say(f"\n{engine}, {request.model}, {request.device}:")
    async with loaded(request, engine, RESULTS / "streams.log") as ready:
        return await run_load(ready, Teller(), Stop())


def latency(base: Request, speech: Path) -> Found:
    """Eight streams, the smallest model, in long and short frames."""
    plan = Plan(LATENCY_STREAMS, ramp=5, hold=120)
    figures = []
    for framing in LATENCY_FRAMINGS:
        request = replace(base, model="tiny.en", plan=plan, framing=framing, clips=clips(speech, framing))
        report = asyncio.run(load(request, "batched"))
        (stage,) = report.stages
        if stage.beyond_silence is None or stage.final_latency is None:
            raise RuntimeError("no finals came: see build/bench/streams.log")
        what = f"{LATENCY_STREAMS} streams, tiny.en, frames of {framing.milliseconds} ms"
        name = f"{what}: end of speech to final beyond the silence of {report.silence:g} s, p95"
        figures += [
            Figure(name, stage.beyond_silence.p95, "s", LATENCY_BAR),
            Figure("the same, p50", stage.beyond_silence.p50, "s"),
            Figure("the same in all, p95", stage.final_latency.p95, "s"),
        ]
        if stage.first_partial:
            figures.append(Figure("start of speech to first partial, p95", stage.first_partial.p95, "s"))
    return figures, [], []


def capacity(base: Request, _: Path) -> Found:
    """The most streams with each engine."""
    plan = Plan(1, ramp=3, hold=30)
    request = replace(base, model="base", plan=plan, target=TARGET, drain=20, most=512)
    reports = {engine: asyncio.run(load(request, engine)) for engine in ENGINES}
    best = {engine: report.capacity or 0 for engine, report in reports.items()}
    rows = [
        [engine, str(stage.streams), *_waits(stage), _share(stage.complete), _rate(stage.word_error_rate)]
        for engine, report in reports.items()
        for stage in sorted(report.stages, key=lambda each: each.streams)
    ]
    figures = [Figure(f"most streams with p95 within {TARGET:g} s, base, {each}", best[each]) for each in ENGINES]
    ratio = best["batched"] / max(1, best["reference"])
    name = "the same: batched by reference" + ("" if best["reference"] else " (which holds none, counted as 1)")
    figures.append(Figure(name, ratio, "x", CAPACITY_BAR, "higher"))
    columns = ["", "streams", "p50, s", "p95, s", "p99, s", "finalised", "WER"]
    lines = [Line(engine, _points(report.stages)) for engine, report in reports.items()]
    title = "End of speech to final beyond the silence, base"
    plot = Plot("streams", title, "streams", "p95, s", [line for line in lines if line.points], log_x=True, log_y=True)
    return figures, [Table(columns, rows, title)], [plot]


def cost(base: Request, _: Path) -> Found:
    """What the load itself takes of the machine, whether the pipeline keeps up or not."""
    plan = Plan(COST_STREAMS, ramp=10, hold=20)
    report = asyncio.run(load(replace(base, model="tiny.en", plan=plan, drain=2), "batched"))
    share = report.stages[0].client.machine_share
    return (
        [Figure(f"share of the machine that {COST_STREAMS} of the load's own clients take", share, "", COST_BAR)],
        [],
        [],
    )


def _waits(stage: Stage) -> list[str]:
    late = stage.beyond_silence
    return ["-"] * 3 if late is None else [f"{value:.3f}" for value in (late.p50, late.p95, late.p99)]


def _points(stages: Sequence[Stage]) -> list[tuple[float, float]]:
    found = [(float(each.streams), max(0.001, each.beyond_silence.p95)) for each in stages if each.beyond_silence]
    return sorted(found)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


PARTS: Final = {"latency": latency, "capacity": capacity, "cost": cost}


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description="Many live streams on one machine.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--only", choices=PARTS, help="one part; its figures are printed, and the page stays as it is")
    options = parser.parse_args()
    device: Device = options.device
    said = clips(options.speech, FRAMING)
    base = Request(Wish([]), "speechpipe", said, "", FRAMING, 2.0, Plan(1, 1, 1), local=True, device=device)
    found = [part(base, options.speech) for name, part in PARTS.items() if options.only in (None, name)]
    figures = [figure for part in found for figure in part[0]]
    tables, plots = [table for part in found for table in part[1]], [plot for part in found for plot in part[2]]
    say("")
    for figure in figures:
        say(f"{figure.name}: {figure.value:.3g} {figure.unit}")
    if options.only:
        return 0 if all(figure.holds for figure in figures) else 1
    return publish(Result("streams", "streams.py --speech DIR", device, figures, tables, plots))


if __name__ == "__main__":
    sys.exit(main())
