"""Bytes sent to Redis for each second of segment audio.

    .venv/bin/python bench/redis_bytes.py --speech DIR

A pipeline with a Valkey of its own gets a minute of speech at real-time pace, with partials on: sentences with pauses
between them, and a stretch without any pause, so that cuts happen. ``INFO stats`` ``total_net_input_bytes`` is every
byte that all clients of that Valkey sent it: audio, jobs, commits, and also the polling of workers. It is read before
and after the speech. The same pipeline's idle polling, measured over ten seconds before, is subtracted for the second
figure; the first has it in. Segment audio is the union of the finals' ranges, pre-speech included. The bar is 1.1 times
the PCM (32,000 bytes a second).
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr
from redis.asyncio import Redis
from results import RESULTS, Figure, Result, Table, publish
from shared import clip, pipeline, say

from speechpipe_client import Event, FinalCaption, Realtime, SessionOptions, connect
from speechpipe_client.audio import Pace, paced
from speechpipe_client.streaming import converse

RATE = 16_000
PCM_BYTES = 2 * RATE
BAR = 1.1
PAUSE_SECONDS = 1.5
IDLE_SECONDS = 10.0
CUT_SECONDS = 25


def speech(folder: Path) -> npt.NDArray[np.int16]:
    """All clips with pauses, then again without any for 25 s."""
    clips = []
    for entry in json.loads((folder / "manifest.json").read_text()):
        read = clip(folder / entry["file"], entry["text"])
        clips.append(soxr.resample(read.samples[: read.speech_end], read.sample_rate, RATE).astype(np.int16))
    pause = np.zeros(round(PAUSE_SECONDS * RATE), np.int16)
    spaced = np.concatenate([part for each in clips for part in (each, pause)])
    return np.concatenate([spaced, np.concatenate(clips)[: CUT_SECONDS * RATE], pause])


def blocks(samples: npt.NDArray[np.int16]) -> Iterator[bytes]:
    """Blocks of 100 ms."""
    for begin in range(0, len(samples), RATE // 10):
        yield samples[begin : begin + RATE // 10].astype("<i2").tobytes()


async def received(redis: Redis) -> int:
    """Bytes that the server has got from all its clients."""
    return int((await redis.info("stats"))["total_net_input_bytes"])


async def measure(folder: Path, log: Path, model: str) -> Result:
    """Stream, count, and print."""
    finals: list[FinalCaption] = []
    partials = 0

    def on_event(event: Event) -> None:
        nonlocal partials
        if isinstance(event, FinalCaption):
            finals.append(event)
        partials += isinstance(event, Realtime)

    async with pipeline(log, model=model) as running, Redis.from_url(running.redis_url) as redis:
        before_idle = await received(redis)
        await asyncio.sleep(IDLE_SECONDS)
        idle_rate = (await received(redis) - before_idle) / IDLE_SECONDS
        clock = asyncio.get_running_loop().time
        before, begun = await received(redis), clock()
        async with connect(running.gateway_url, SessionOptions(source="en")) as session:
            await converse(session, paced(blocks(speech(folder)), Pace.REALTIME, PCM_BYTES), on_event)
        sent, lasted = await received(redis) - before, clock() - begun
    seconds = union_seconds(finals)
    gross, net = sent / seconds / PCM_BYTES, (sent - idle_rate * lasted) / seconds / PCM_BYTES
    say(f"{len(finals)} finals, {partials} partials, {seconds:.1f} s of segment audio in {lasted:.1f} s")
    say(f"idle polling: {idle_rate:.0f} bytes/s")
    say(f"to Redis: {sent} bytes = {gross:.3f} x PCM; without idle polling {net:.3f} x PCM (bar {BAR})")
    counts = [f"{seconds:.1f} s", str(len(finals)), str(partials), f"{gross:.3f}", f"{idle_rate / 1000:.1f} kB/s"]
    columns = ["segment audio", "finals", "partials shown", "all bytes for each byte of PCM", "idle polling"]
    return Result(
        "redis_bytes",
        f"redis_bytes.py --speech DIR --model {model}",
        figures=[Figure("bytes to Redis for each byte of PCM, idle polling not counted", net, bar=BAR)],
        tables=[Table([f"Whisper {model}", *columns], [["", *counts]])],
    )


def union_seconds(finals: list[FinalCaption]) -> float:
    """Length of the audio that belongs to at least one final."""
    total, reached = 0.0, 0.0
    for final in sorted(finals, key=lambda each: each.start):
        total += max(0.0, final.end - max(final.start, reached))
        reached = max(reached, final.end)
    return total


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Bytes into Redis per second of segment audio.")
    parser.add_argument("--speech", type=Path, required=True, help="folder with clips and manifest.json")
    parser.add_argument("--log", type=Path, default=RESULTS / "redis_bytes.log", help="file for the pipeline's log")
    parser.add_argument("--model", default="base", help="Whisper model; a smaller one has time for more partials")
    options = parser.parse_args()
    return publish(asyncio.run(measure(options.speech, options.log, options.model)))


if __name__ == "__main__":
    sys.exit(main())
