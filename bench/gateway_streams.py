"""How many speaking streams one core of gateway carries, and how late it is.

    .venv/bin/python bench/gateway_streams.py --frame-ms 100

A real gateway, pinned to one core, with a Valkey of its own; a worker that answers at once; and a process that plays
speech at real time over raw WebSockets, all on the other cores. Every stream speaks: 27 clips without a pause longer
than 0.3 s, but for one second after each eight.

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

from pinned_gateway import RATE, Bench, metrics, running
from shared import say

from speechpipe_common.testing import eventually

WARM_UP_SECONDS = 6.0
BARS = {100: 250, 20: 150}
LATENESS_BAR = 0.1
REQUESTS_BAR = 6.0


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
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def cost(self) -> float:
        """CPU milliseconds for each second of a stream."""
        return self.cpu_seconds * 1000 / self.streams / self.seconds

    @property
    def detectors(self) -> float:
        """That of the detectors' thread."""
        return self.threads * 1000 / self.streams / self.seconds

    def lag(self, bound: float) -> float:
        """Share of the watch's looks at the event loop that were later than this."""
        name = "speechpipe_event_loop_lag_seconds_"
        return 1 - self.metrics[f"{name}bucket{bound}"] / self.metrics[f"{name}count"]

    def line(self) -> str:
        """One row of the report."""
        batches = self.metrics["speechpipe_vad_batch_seconds_count"]
        return (
            f"{self.streams:4d} x {self.frame_ms:3d} ms: {self.cost:5.2f} ms CPU a stream-second "
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


async def step(bench: Bench, streams: int, frame_ms: int, seconds: float) -> Step:
    """Play, and look."""
    await eventually(lambda: empty(bench), "the end of the sessions before")
    command = ["taskset", "-c", bench.others, sys.executable, str(Path(__file__).parent / "stream_player.py")]
    command += ["--url", f"ws://127.0.0.1:{bench.port}/ws", "--pcm", str(bench.pcm), "--streams", str(streams)]
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
        {name: value - before.metrics.get(name, 0.0) for name, value in after.metrics.items()},
    )


async def measure(options: argparse.Namespace) -> bool:
    """All steps; True when the bar of these frames holds."""
    bar = BARS.get(options.frame_ms, 100)
    counts = [int(each) for each in options.streams.split(",") if each] or [bar // 5, bar // 2, bar, bar * 6 // 5]
    steps: list[Step] = []
    with TemporaryDirectory(prefix="speechpipe-bench-") as folder:
        async with running(options.core, Path(folder)) as bench:
            say(f"gateway: process {bench.gateway.pid} on core {options.core}")
            for count in counts:
                one = await step(bench, count, options.frame_ms, options.seconds)
                steps.append(one)
                say(one.line())
                if one.cpu_seconds / one.seconds > 0.98 or quantile(one.late, 0.999) > 4 * LATENESS_BAR:
                    say("the core is full, or the streams are late: no more are added")
                    break
    return verdict(steps, BARS.get(options.frame_ms))


def verdict(steps: Sequence[Step], bar: int | None) -> bool:
    """Say what was reached; True when the bars hold, each for itself, since lateness is the whole machine's."""
    cheapest = min(one.cost for one in steps)
    say(f"at best {cheapest:.2f} ms CPU a stream-second = {1000 / cheapest:.0f} streams a core (bar {bar})")
    prompt = max((one.streams for one in steps if quantile(one.late, 0.999) <= LATENESS_BAR), default=0)
    say(f"{prompt} streams with p99.9 of lateness within {LATENESS_BAR:g} s (bar {bar})")
    most = max(one.requests for one in steps)
    say(f"{most:.1f} requests to Redis a stream-second at most (bar {REQUESTS_BAR:g})")
    return bar is None or (1000 / cheapest >= bar and prompt >= bar and most <= REQUESTS_BAR)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Speaking streams on one core of gateway.")
    parser.add_argument("--frame-ms", type=int, default=100)
    parser.add_argument(
        "--streams", default="", help="numbers of streams, with commas between; by default up to 1.2 times the bar"
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds measured with each")
    parser.add_argument("--nice", type=int, default=0, help="priority of it all; below 0 needs root, for busy machines")
    parser.add_argument("--core", type=int, default=0, help="core of the gateway; all else runs on the others")
    options = parser.parse_args(arguments)
    os.nice(options.nice)  # what is started from here inherits it
    return 0 if asyncio.run(measure(options)) else 1


if __name__ == "__main__":
    sys.exit(main())
