"""``speechpipe up``: run a pipeline until told to stop."""

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from speechpipe_operator.components import Plan
from speechpipe_operator.local.lines import Log
from speechpipe_operator.local.pipeline import SELF, LocalOptions, LocalPipeline

STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(plan: Plan, options: LocalOptions, log: Log, ready_file: Path | None = None) -> None:
    """Run ``plan`` in the foreground until SIGINT, SIGTERM or SIGHUP; a second one kills instead of waiting.

    Args:
        plan: what to run.
        options: where and how.
        log: gets every line.
        ready_file: while all is ready, holds JSON with ``pid``, ``gateway``, ``gateways`` and ``redis``
            (addresses; those of shards have commas between them).

    Raises:
        LocalError: it could not be started, or not be kept running.
    """
    asyncio.run(_until_signal(LocalPipeline(plan, options, log), log, ready_file))


async def _until_signal(pipeline: LocalPipeline, log: Log, ready_file: Path | None) -> None:
    loop = asyncio.get_running_loop()
    serving = asyncio.create_task(_serve(pipeline, log, ready_file))
    asked = False

    def stop() -> None:
        nonlocal asked
        if asked:
            log.line(SELF, "killing what is left")
            pipeline.kill()
        else:
            asked = True
            log.line(SELF, "stopping (once more to kill)")
            serving.cancel()

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()


async def _serve(pipeline: LocalPipeline, log: Log, ready_file: Path | None) -> None:
    async with pipeline:
        log.line(SELF, f"ready: {', '.join(pipeline.gateway_urls)} (Ctrl-C stops)")
        log.line(SELF, f"captions in a browser: {_page(pipeline.gateway_url)}")
        with _announced(ready_file, pipeline):
            await pipeline.wait()


def _page(gateway_url: str) -> str:
    """Address of the page that a gateway serves beside its WebSocket."""
    return gateway_url.replace("ws://", "http://", 1).removesuffix("ws")


@contextmanager
def _announced(path: Path | None, pipeline: LocalPipeline) -> Iterator[None]:
    if path is None:
        yield
        return
    _write_ready_file(path, pipeline)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _write_ready_file(path: Path, pipeline: LocalPipeline) -> None:
    """Written whole or not at all, and for its owner alone: the address of Redis holds the password."""
    facts = {
        "pid": os.getpid(),
        "gateway": pipeline.gateway_url,
        "gateways": pipeline.gateway_urls,
        "redis": pipeline.redis_url,
    }
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(facts, file)
    partial.replace(path)
