"""Workers around ``QueueCore``: how many keys are worked on at once, and when the next one is due."""

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, Generic

from speechpipe_common.logs import get_logger
from speechpipe_operator.runtime.metrics import QueueMetrics
from speechpipe_operator.runtime.queue_core import Backoff, K, QueueCore

RESYNC_JITTER: Final = 0.25
"""Share by which the time of looking again differs from key to key, so that a thousand do not come together."""

NEVER: Final = math.inf
"""What a handler returns when nobody needs to look at the key again until it is added."""


class RetryLater(Exception):
    """Raised by a handler that has said what is wrong: the key is tried again with backoff, nothing is logged."""


class WorkQueue(Generic[K]):
    """Calls ``handle(key)`` for keys that were added, ``parallel`` at once, each key one at a time.

    A handler returns the seconds after which it wants to see the key again at the latest (None: after ``resync``;
    ``NEVER``), or raises: then the key is tried again with backoff. All methods belong to the event loop of ``run``.

    Args:
        handle: brings what the key stands for to what it should be.
        parallel: keys that are worked on at once.
        resync: seconds after which a key is looked at again though nothing has happened.
        metrics: counts.
        backoff: of keys whose handler raises.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        handle: Callable[[K], Awaitable[float | None]],
        *,
        parallel: int,
        resync: float,
        metrics: QueueMetrics,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._handle = handle
        self._parallel = parallel
        self._resync = resync
        self._metrics = metrics
        self._clock = clock
        self._core: QueueCore[K] = QueueCore(backoff)
        self._news = asyncio.Event()
        self._log = get_logger(__name__)

    def add(self, key: K) -> None:
        """Look at ``key`` soon."""
        self._core.add(key, self._clock())
        self._metrics.added()
        self._news.set()

    def add_in(self, key: K, seconds: float) -> None:
        """Look at ``key`` after so many seconds at the latest."""
        self._core.add_at(key, self._clock() + seconds)
        self._news.set()

    def forget(self, key: K) -> None:
        """What ``key`` stands for is gone."""
        self._core.forget(key)

    def depth(self) -> int:
        """Keys that wait."""
        return self._core.depth(self._clock())

    def oldest(self) -> float:
        """Seconds that the first in line has waited."""
        return self._core.oldest(self._clock())

    def longest_work(self) -> float:
        """Seconds that the slowest worker has been busy with its key."""
        return self._core.longest_work(self._clock())

    async def run(self) -> None:
        """Work until cancelled; keys in work are finished by their cancellation."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(self._parallel):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._next()
            self._metrics.waits(self.depth(), self.oldest())
            failed, again = True, None
            began = self._clock()
            try:
                again = await self._handle(key)
                failed = False
            except RetryLater:
                pass
            except Exception:  # noqa: BLE001 - one pipeline's trouble must not stop the others; it is told and retried
                self._log.exception("reconcile_failed", key=str(key), failures=self._core.failures(key) + 1)
            finally:
                now = self._clock()
                self._core.done(key, now, failed=failed, again_in=self._again_in(again))
                self._metrics.worked(now - began, failed=failed)
                self._news.set()

    def _again_in(self, wish: float | None) -> float | None:
        if wish is None:
            return self._resync * random.uniform(1 - RESYNC_JITTER, 1 + RESYNC_JITTER)
        return wish if math.isfinite(wish) else None

    async def _next(self) -> K:
        while True:
            now = self._clock()
            key = self._core.take(now)
            if key is not None:
                return key
            self._news.clear()
            due = self._core.next_at()
            try:
                # Not wait_for: in Python 3.11 it swallows a cancellation that comes along with the news.
                async with asyncio.timeout(None if due is None else max(0.0, due - now)):
                    await self._news.wait()
            except TimeoutError:
                continue
