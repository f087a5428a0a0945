"""Resident memory of the gateway for each hundred idle sessions.

    .venv/bin/python bench/gateway_memory.py

reads the RSS of a gateway of its own three times: with ten sessions that have streamed silence (the base: what the
first sessions load and allocate is in it), with many more that are open and quiet, and after all of those have streamed
silence at real-time pace, so that detectors and pre-speech buffers are filled. The bar, 10 MB for each hundred, is for
the quiet ones.
"""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import psutil
from results import RESULTS, Figure, Result, Table, publish
from shared import pipeline, say

from speechpipe_client import Session, connect
from speechpipe_client.audio import Pace, paced

WARM_UP = 10
BAR_MB = 10.0
RATE = 16_000
PCM_BYTES = 2 * RATE
BLOCK_BYTES = PCM_BYTES // 10


async def stream_silence(sessions: list[Session], seconds: float) -> None:
    """Send silence on all sessions at once, in blocks of 100 ms."""

    async def stream(session: Session) -> None:
        blocks = [bytes(BLOCK_BYTES)] * round(seconds * 10)
        async for block in paced(blocks, Pace.REALTIME, PCM_BYTES):
            await session.send(block)

    await asyncio.gather(*map(stream, sessions))


async def settled_rss(process: psutil.Process) -> int:
    """RSS in bytes once it has not grown by more than 256 KiB in two seconds."""
    previous = process.memory_info().rss
    while True:
        await asyncio.sleep(2)
        now = process.memory_info().rss
        if now - previous < 256 * 1024:
            return now
        previous = now


async def measure(sessions: int, silence_seconds: float, log: Path) -> Result:
    """Open, read, and print."""
    async with pipeline(log, WARM_UP + sessions) as running, AsyncExitStack() as stack:
        process = psutil.Process(running.pids("gateway")[0])
        warm = [await stack.enter_async_context(connect(running.gateway_url)) for _ in range(WARM_UP)]
        await stream_silence(warm, silence_seconds)
        base = await settled_rss(process)
        opened = [await stack.enter_async_context(connect(running.gateway_url)) for _ in range(sessions)]
        quiet = await settled_rss(process)
        await stream_silence(opened, silence_seconds)
        streaming = await settled_rss(process)
    say(f"with {WARM_UP} sessions: {base / 1e6:.1f} MB")
    say(f"with {sessions} more, quiet: {quiet / 1e6:.1f} MB = {per_hundred(quiet - base, sessions):.1f} MB per 100")
    say(
        f"after {silence_seconds:g} s of silence on each: {streaming / 1e6:.1f} MB = "
        f"{per_hundred(streaming - base, sessions):.1f} MB per 100"
    )
    rows = [["the process with ten sessions", f"{base / 1e6:.0f} MB"]]
    return Result(
        "gateway_memory",
        f"gateway_memory.py --sessions {sessions}",
        figures=[
            Figure("for each 100 sessions that are open and quiet", per_hundred(quiet - base, sessions), "MB", BAR_MB),
            Figure(
                f"for each 100 that have streamed {silence_seconds:g} s of silence",
                per_hundred(streaming - base, sessions),
                "MB",
            ),
        ],
        tables=[Table(["", "resident"], rows)],
    )


def per_hundred(grown: int, sessions: int) -> float:
    """MB for each hundred sessions."""
    return grown / sessions * 100 / 1e6


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Gateway memory per 100 idle sessions.")
    parser.add_argument("--sessions", type=int, default=150)
    parser.add_argument("--silence", type=float, default=10.0, help="seconds of silence streamed on each")
    parser.add_argument("--log", type=Path, default=RESULTS / "gateway_memory.log", help="file for the pipeline's log")
    options = parser.parse_args()
    return publish(asyncio.run(measure(options.sessions, options.silence, options.log)))


if __name__ == "__main__":
    sys.exit(main())
