"""The Redis client as this project wants it."""

from typing import Final

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

MAX_CONNECTIONS: Final = 64
"""Of one process. Redis answers one command after another, so more would only wait there instead of here."""


def connect(url: str, *, timeout: float = 5.0) -> Redis:
    """A client that never repeats a command by itself: a repeated write would land twice.

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
    return Redis.from_pool(pool)
