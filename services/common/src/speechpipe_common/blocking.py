"""How long an event loop keeps its callers waiting."""

import asyncio
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

from speechpipe_common.metrics import PREFIX

PERIOD_SECONDS: Final = 0.01
"""What blocks the loop for less than this may stay unseen, and what is seen lasted up to this much longer."""

BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class LoopWatch:
    """Asks its event loop to be woken, over and over, and notes how late it was.

    Late is what ran too long on the loop, and also what kept the whole process from running: a busy core, a paused
    container.

    Args:
        registry: of the process.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._lag = Histogram(
            PREFIX + "event_loop_lag_seconds",
            "How late the event loop woke a timer that is set a hundred times a second: something blocked the loop, or "
            "the process got no CPU.",
            buckets=BUCKETS,
            registry=registry,
        )

    async def run(self) -> None:
        """Watch the running loop for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + PERIOD_SECONDS
            await asyncio.sleep(PERIOD_SECONDS)
            self._lag.observe(max(0.0, loop.time() - due))
