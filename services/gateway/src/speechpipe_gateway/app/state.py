"""What admission must know of Redis, read every second, off the path of any connection."""

import asyncio

from redis.exceptions import RedisError

from speechpipe_common.store import SessionStore

POLL_SECONDS = 1.0


class QueueState:
    """Depth of the audio jobs and use of memory, as last seen."""

    def __init__(self, store: SessionStore) -> None:
        self._store = store
        self.depth = 0
        self.memory = 0.0
        self.known = False
        """False while Redis does not answer."""

    async def run(self) -> None:
        """Read for ever."""
        while True:
            try:
                async with asyncio.timeout(POLL_SECONDS * 3):
                    self.depth = await self._store.depth()
                    self.memory = await self._store.memory_used()
                self.known = True
            except (RedisError, OSError, TimeoutError):
                self.known = False
            await asyncio.sleep(POLL_SECONDS)

    async def read_depth(self) -> int | None:
        """The depth for ``/health``; None while Redis is away."""
        return self.depth if self.known else None
