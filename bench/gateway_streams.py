"""How many speaking streams one core of gateway carries, and how late it is.

    .venv/bin/python bench/gateway_streams.py

A real gateway, pinned to one core, with a Valkey of its own; a worker that answers at once; and a process that plays
speech at real time over raw WebSockets, all on the other cores. Every stream speaks: 27 clips without a pause longer
than 0.3 s, but for one second after each eight. Then as many streams are played in which nobody speaks, all room noise.

The main figure is CPU milliseconds of the gateway's process for each second of each stream, which other work on the
machine hardly touches: a core carries 1,000 divided by it. Lateness needs no instrument in the gateway: a job says when
it was submitted (``submitted_at``) and where its audio ends, and that sample's frame was due at a known time. Redis'
requests are the reads that Valkey made of sockets, without those of what this process wrote.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pinned_gateway import RATE, Bench, metrics, running
from results import Figure, Result, Table, publish
from shared import say

from speechpipe_common.testing import eventually

WARM_UP_SECONDS = 6.0
BARS = {100: 250, 20: 150}
LATENESS_BAR = 0.1
REQUESTS_BAR = 6.0
FULL, HOPELESS = 0.98, 0.4


@dataclass
class Step:
    """What was seen with one number of streams."""

    streams: int
    frame_ms: int
    seconds: float
    cpu_seconds: float
    threads: float
    """CPU seconds of the busiest thread but the main one: the detectors."""
    late: list[float]
    queued: list[float]
    requests: float
    to_redis: float
    lost: int
    player_late: float
    speaking: bool = True
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """CPU milliseconds for each second of a stream."""
        return self.cpu_seconds * 1000 / self.streams / self.seconds

    @property
    def detectors(self) -> float:
        """That of the detectors' thread."""
        return self.threads * 1000 / self.streams / self.seconds

    @property
    def what(self) -> str:
        """How many streams of which kind."""
        return f"{self.streams}" if self.speaking else f"{self.streams} silent"

    def lag(self, bound: float) -> float:
        """Share of the watch's looks at the event loop that were later than this."""
        name = "speechpipe_event_loop_lag_seconds_"
        return 1 - self.metrics[f"{name}bucket{bound}"] / self.metrics[f"{name}count"]

    def row(self) -> list[str]:
        """One row of the page."""
        batches = self.metrics["speechpipe_vad_batch_seconds_count"] / self.seconds
        late = [f"{quantile(self.late, q):.3f}" if self.late else "-" for q in (0.5, 0.99, 0.999)]
        cells = [self.what, f"{self.frame_ms}", f"{self.cost:.2f}", f"{self.detectors:.2f}"]
        cells += [f"{self.cpu_seconds / self.seconds:.0%}", *late, f"{self.requests:.1f}", f"{batches:.0f}"]
        return [*cells, f"{self.lag(0.02):.2%}"]

    def line(self) -> str:
        """One row of the report."""
        batches = self.metrics["speechpipe_vad_batch_seconds_count"]
        return (
            f"{self.what:>4} x {self.frame_ms:3d} ms: {self.cost:5.2f} ms CPU a stream-second "
            f"({1000 / self.cost:4.0f} a core, detectors' thread {self.detectors:.2f}), "
            f"core {self.cpu_seconds / self.seconds:4.0%} | late p50 {quantile(self.late, 0.5):.3f} "
            f"p99 {quantile(self.late, 0.99):.3f} p99.9 {quantile(self.late, 0.999):.3f}, "
            f"in Redis p99.9 {quantile(self.queued, 0.999):.3f} (player p99.9 {self.player_late:.3f}) | "
            f"Redis {self.requests:.1f} requests a stream-second, "
            f"{self.to_redis / 1000:.1f} kB | {batches / self.seconds:.0f} batches/s | loop late by over 20 ms "
            f"{self.lag(0.02):.2%}, over 50 ms {self.lag(0.05):.2%} | lost {self.lost}"
        )


def quantile(values: list[float], q: float) -> float:
    """Of sorted values; NaN where there are none."""
    return values[min(int(len(values) * q), len(values) - 1)] if values else float("nan")


@dataclass
class Reading:
    """Counters at a moment."""

    at: float
    cpu: float
    detectors: float
    reads: int
    bytes: int
    workers: int
    metrics: dict[str, float]


async def read(bench: Bench) -> Reading:
    """Take one."""
    shown = await metrics(bench)
    stats = await bench.redis.info("stats")
    times = bench.gateway.cpu_times()
    threads = {t.id: t.user_time + t.system_time for t in bench.gateway.threads()}
    detectors = max((spent for number, spent in threads.items() if number != bench.gateway.pid), default=0.0)
    return Reading(
        time.monotonic(),
        times.user + times.system,
        detectors,
        int(stats["total_reads_processed"]),
        int(stats["total_net_input_bytes"]),
        bench.worker.writes,
        shown,
    )


async def empty(bench: Bench) -> bool:
    """Whether no session is left."""
    return not (await metrics(bench))["speechpipe_sessions"]


def room(folder: Path) -> Path:
    """A file of ten seconds in which nobody speaks: noise at -66 dBFS."""
    path = folder / "room.pcm"
    path.write_bytes(np.random.default_rng(1).normal(0, 16, 10 * RATE).astype("<i2").tobytes())
    return path


async def step(bench: Bench, streams: int, frame_ms: int, seconds: float, silence: Path | None = None) -> Step:
    """Play speech, or this silence, and look."""
    await eventually(lambda: empty(bench), "the end of the sessions before")
    command = ["taskset", "-c", bench.others, sys.executable, str(Path(__file__).parent / "stream_player.py")]
    command += [
        "--url",
        f"ws://127.0.0.1:{bench.port}/ws",
        "--pcm",
        str(silence or bench.pcm),
        "--streams",
        str(streams),
    ]
    command += ["--frame-ms", str(frame_ms), "--seconds", str(WARM_UP_SECONDS + seconds + 1)]
    player = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert player.stdout is not None
    if await player.stdout.readline() != b"playing\n":
        raise RuntimeError("the player could not open its sessions; see above")
    await asyncio.sleep(WARM_UP_SECONDS)
    bench.worker.records.clear()
    before = await read(bench)
    await asyncio.sleep(seconds)
    after = await read(bench)
    records = list(bench.worker.records)
    report = json.loads(await player.stdout.readline())
    await player.wait()
    lasted = after.at - before.at
    interval, began = frame_ms / 1000, report["began"]
    late, queued = [], []
    for record in records:
        if record.client in began and record.kind != "final":
            number = -(-record.end // (RATE * frame_ms // 1000))
            due = began[record.client] + number * interval
            late.append(record.submitted_at - due)
            queued.append(record.entered_at - due)
    return Step(
        streams,
        frame_ms,
        lasted,
        after.cpu - before.cpu,
        after.detectors - before.detectors,
        sorted(late),
        sorted(queued),
        (after.reads - before.reads - (after.workers - before.workers)) / streams / lasted,
        (after.bytes - before.bytes) / streams / lasted,
        report["lost"],
        report["late_p999"],
        silence is None,
        {name: value - before.metrics.get(name, 0.0) for name, value in after.metrics.items()},
    )


async def measure(options: argparse.Namespace) -> Result:
    """All steps with all sizes of frames, each size with a gateway of its own."""
    sizes = [int(each) for each in options.frame_ms.split(",")]
    steps: list[Step] = []
    for size in sizes:
        bar = BARS.get(size, 100)
        counts = [int(each) for each in options.streams.split(",") if each] or [bar // 5, bar // 2, bar, bar * 6 // 5]
        steps += await climb(options, size, counts)
    spoken = [one for one in steps if one.speaking]
    figures = [figure for size in sizes for figure in reached([one for one in spoken if one.frame_ms == size])]
    figures += [
        Figure(f"frames of {one.frame_ms} ms, nobody speaks: streams a core", round(1000 / one.cost), "")
        for one in steps
        if not one.speaking
    ]
    columns = ["streams", "frames, ms", "CPU a stream-second, ms", "of that the detectors' thread", "core"]
    columns += ["late, s: p50", "p99", "p99.9", "Redis, requests", "batches a second", "loop late > 20 ms"]
    rows = [one.row() for one in steps]
    return Result("gateway_streams", "gateway_streams.py", figures=figures, tables=[Table(columns, rows)])


async def climb(options: argparse.Namespace, frame_ms: int, counts: Sequence[int]) -> list[Step]:
    """More and more streams, until the core is full or they are late."""
    steps: list[Step] = []
    with TemporaryDirectory(prefix="speechpipe-bench-") as folder:
        async with running(options.core, Path(folder)) as bench:
            say(f"gateway: process {bench.gateway.pid} on core {options.core}")
            for count in counts:
                one = await step(bench, count, frame_ms, options.seconds)
                steps.append(one)
                say(one.line())
                if one.cpu_seconds / one.seconds > FULL or quantile(one.late, 0.999) > HOPELESS:
                    say("the core is full, or the streams are late: no more are added")
                    break
            steps.append(await step(bench, steps[-1].streams, frame_ms, options.seconds, room(Path(folder))))
            say(steps[-1].line())
    return steps


def reached(steps: Sequence[Step]) -> list[Figure]:
    """What these steps, all of one size of frames, say of the bars. Lateness is the whole machine's."""
    size = steps[0].frame_ms
    bar = BARS.get(size)
    cheapest = min(one.cost for one in steps)
    most = next((one for one in steps if bar and one.streams >= bar), steps[-1])
    late, requests = quantile(most.late, 0.999), max(one.requests for one in steps)
    frames = f"frames of {size} ms"
    return [
        Figure(f"{frames}: streams a core", round(1000 / cheapest), "", bar, "higher"),
        Figure(f"{frames}, {most.streams} streams: lateness p99.9", late, "s", LATENESS_BAR),
        Figure(f"{frames}: requests to Redis a stream-second", requests, "", REQUESTS_BAR),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Speaking streams on one core of gateway.")
    parser.add_argument("--frame-ms", default="100,20", help="sizes of frames, with commas between")
    parser.add_argument("--streams", default="", help="how many, with commas between; else up to 1.2 times the bar")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds measured with each")
    parser.add_argument("--nice", type=int, default=0, help="priority of it all; below 0 needs root, for busy machines")
    parser.add_argument("--core", type=int, default=0, help="core of the gateway; all else runs on the others")
    options = parser.parse_args(arguments)
    os.nice(options.nice)  # what is started from here inherits it
    return publish(asyncio.run(measure(options)))


if __name__ == "__main__":
    sys.exit(main())
