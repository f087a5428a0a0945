"""Living with a Redis that goes away: backoff with jitter, one log line per change, calls repeated until answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import Redis
from redis.backoff import FullJitterBackoff
from redis.exceptions import RedisError

from speechpipe_common.consumer.delivery import is_away
from speechpipe_common.logs import get_logger
from speechpipe_common.metrics import LinkMetrics

_T = TypeVar("_T")
_log = get_logger(__name__)


class RedisLink:
    """Whether Redis answers, as this process has last seen it.

    Args:
        redis: a client without retries of its own (``store.connect``).
        metrics: counts outages.
        longest_wait: seconds of the longest pause between two attempts. Keep it below the claim idle time, so that
            workers are back with their heartbeats before anybody takes their jobs.
        shard: number of this Redis among those of the pipeline.
    """

    def __init__(self, redis: Redis, metrics: LinkMetrics, longest_wait: float = 2.0, shard: int = 0) -> None:
        self.on_lost: Callable[[], None] | None = None
        """Called whenever Redis has just been lost."""
        self._redis = redis
        self._metrics = metrics
        self._shard = shard
        self._backoff = FullJitterBackoff(cap=longest_wait, base=0.05)
        self._failures = 0
        self._lost_at: float | None = None
        self._reason = ""
        self.regained_at: float | None = None
        """Monotonic seconds of the last return, None while Redis was never away."""

    def check(self) -> str | None:
        """For readiness: why Redis cannot be used, or None."""
        return f"Redis is away: {self._reason}" if self._lost_at is not None else None

    async def insist(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Repeat ``call`` until Redis has answered it; for calls that may safely run twice, such as commits.

        Raises:
            redis.RedisError: the answer is an error that waiting does not mend.
        """
        while True:
            try:
                result = await call()
            except (RedisError, OSError) as error:
                if not is_away(error):
                    raise
                await self.lost(error)
            else:
                self.answered()
                return result

    async def lost(self, error: BaseException) -> None:
        """Note a failed attempt and wait before the next."""
        self._failures += 1
        self._metrics.failed(self._shard)
        self._reason = f"{type(error).__name__}: {error}"
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            _log.warning("redis_lost", shard=self._shard, reason=self._reason)
            if self.on_lost is not None:
                self.on_lost()
            # Idle connections are dead as well, or lead to what is a replica now.
            await self._redis.connection_pool.disconnect(inuse_connections=False)
        await asyncio.sleep(self._backoff.compute(self._failures))

    def answered(self) -> None:
        """Note that Redis has answered."""
        if self._lost_at is None:
            return
        now = time.monotonic()
        outage = round(now - self._lost_at, 3)
        _log.info("redis_regained", shard=self._shard, outage_seconds=outage, attempts=self._failures)
        self._lost_at, self._failures, self.regained_at = None, 0, now
        self._metrics.regained(self._shard)
