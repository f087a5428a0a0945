"""The Redis client as this project wants it."""

import asyncio
from collections.abc import Iterable
from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

MAX_CONNECTIONS: Final = 64
"""Of one process. Redis answers one command after another, so more would only wait there instead of here."""


def connect(url: str, *, timeout: float = 5.0) -> Redis:
    """A client that never repeats a command by itself, since a repeated write would land twice, and that lets no
    cancellation pass unheard.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` URL.
        timeout: seconds for connecting and for each reply, and twice that for a free connection; blocking reads must
            ask for less.
    """
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=2 * timeout,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=0,
    )
    known = pool.connection_class
    pool.connection_class = type(f"Hearing{known.__name__}", (_Hearing, known), {})
    return Redis.from_pool(pool)


class _Hearing(AbstractConnection):
    """A connection whose task can be cancelled at any time.

    redis-py sends inside ``asyncio.wait_for``, which up to Python 3.11 forgets a cancellation that comes as the bytes
    have just gone: a loop that asks Redis for ever would then never end, and its process neither.
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Send; a cancellation that got lost on the way is raised again, as one that was heard would have been."""
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        await super().send_packed_command(command, check_health)
        if task is not None and task.cancelling() > before:
            await self.disconnect(nowait=True)  # nobody will read the reply
            raise asyncio.CancelledError
