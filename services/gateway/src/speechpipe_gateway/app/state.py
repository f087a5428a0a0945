"""What admission must know of Redis, read every second, off the path of any connection."""

import asyncio
import time

from redis.exceptions import RedisError

from speechpipe_common.logs import get_logger
from speechpipe_common.store import SessionStore
from speechpipe_gateway.metrics import CapacityMetrics

log = get_logger(__name__)

POLL_SECONDS = 1.0
FORGOTTEN_SECONDS = 5.0
"""How long the last answer counts: one slow poll of a busy machine is no outage."""


class QueueState:
    """Depth of the audio jobs and use of memory, as last seen; ``memory`` is a share, 0 where there is no limit."""

    def __init__(self, store: SessionStore, metrics: CapacityMetrics) -> None:
        self._store = store
        self._metrics = metrics
        self.depth = 0
        self.memory = 0.0
        self._seen = float("-inf")

    @property
    def known(self) -> bool:
        """False while Redis does not answer."""
        return time.monotonic() - self._seen < FORGOTTEN_SECONDS

    async def run(self) -> None:
        """Read for ever."""
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS * 3):
                    self.depth = await self._store.depth()
                    used, limit = await self._store.memory()
                self.memory = used / limit if limit else 0.0
                self._metrics.saw(self.depth, used, limit)
                self._seen = time.monotonic()
            except (RedisError, OSError, TimeoutError) as error:
                log.debug("queue_unknown", error=str(error))
            await asyncio.sleep(POLL_SECONDS)

    async def read_depth(self) -> int | None:
        """The depth for ``/health``; None while Redis is away."""
        return self.depth if self.known else None
