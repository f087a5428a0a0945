"""Resident memory of the gateway for each hundred idle sessions.

    .venv/bin/python bench/gateway_memory.py

opens sessions in two steps on a gateway of its own, each after a few seconds of sent silence (so that detectors,
resampler and pre-speech buffer exist), and reads the gateway process's RSS. The first ten sessions warm the process up
and count as its base: models, pools and code that the first session loads. The bar is 10 MB for each hundred.
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
from shared import pipeline, say

from speechpipe_client import Session, connect

WARM_UP = 10
BAR_MB = 10.0
RATE = 16_000


async def open_idle(stack: AsyncExitStack, url: str, count: int, silence: bytes) -> None:
    """Open sessions one after the other, each with some silence, and leave them open."""
    for _ in range(count):
        session: Session = await stack.enter_async_context(connect(url))
        await session.send(silence)


async def settled_rss(process: psutil.Process) -> int:
    """RSS in bytes once it has not grown by more than 256 KiB in two seconds."""
    previous = process.memory_info().rss
    while True:
        await asyncio.sleep(2)
        now = process.memory_info().rss
        if now - previous < 256 * 1024:
            return now
        previous = now


async def measure(sessions: int, silence_seconds: float, log: Path) -> bool:
    """Open, read, and print; True when the bar holds."""
    silence = bytes(round(silence_seconds * RATE) * 2)
    async with pipeline(log, WARM_UP + sessions) as running, AsyncExitStack() as stack:
        process = psutil.Process(running.pids("gateway")[0])
        started = process.memory_info().rss
        await open_idle(stack, running.gateway_url, WARM_UP, silence)
        base = await settled_rss(process)
        await open_idle(stack, running.gateway_url, sessions, silence)
        full = await settled_rss(process)
    each = (full - base) / sessions * 100 / 1e6
    say(f"gateway started {started / 1e6:.1f} MB, with {WARM_UP} sessions {base / 1e6:.1f} MB")
    say(f"with {sessions} more ({silence_seconds:g} s of silence each) {full / 1e6:.1f} MB")
    say(f"{each:.1f} MB per 100 idle sessions (bar {BAR_MB:g})")
    return each <= BAR_MB


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Gateway memory per 100 idle sessions.")
    parser.add_argument("--sessions", type=int, default=150)
    parser.add_argument("--silence", type=float, default=3.0, help="seconds of silence sent in each session")
    parser.add_argument("--log", type=Path, default=Path("memory-pipeline.log"), help="file for the pipeline's log")
    options = parser.parse_args()
    return 0 if asyncio.run(measure(options.sessions, options.silence, options.log)) else 1


if __name__ == "__main__":
    sys.exit(main())
