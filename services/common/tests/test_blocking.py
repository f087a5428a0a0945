"""LoopWatch: a loop that is blocked shows in its metric."""

import asyncio
import time

from prometheus_client import CollectorRegistry

from speechpipe_common.blocking import PERIOD_SECONDS, LoopWatch
from speechpipe_common.testing import eventually

NAME = "speechpipe_event_loop_lag_seconds"


async def test_a_blocked_loop_is_seen() -> None:
    """A callback that keeps the loop for 0.3 s is counted as a lag of that length; the watch goes on after it."""
    registry = CollectorRegistry()

    def seen(name: str, **labels: str) -> float:
        return registry.get_sample_value(NAME + name, labels) or 0.0

    watch = asyncio.create_task(LoopWatch(registry).run())
    try:
        await eventually(lambda: seen("_count") >= 3, "the first looks")
        before, lag = seen("_count"), seen("_sum")
        time.sleep(0.3)  # noqa: ASYNC251 - what the watch is for
        await eventually(lambda: seen("_count") > before + 3, "looks after it")
    finally:
        watch.cancel()
    assert seen("_sum") - lag >= 0.3 - 2 * PERIOD_SECONDS
    assert seen("_bucket", le="+Inf") > seen("_bucket", le="0.25")
