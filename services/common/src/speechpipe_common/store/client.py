"""The Redis client as this project wants it."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff


def connect(url: str, *, timeout: float = 5.0) -> Redis:
    """A client that never repeats a command by itself: a repeated write would land twice.

    Args:
        url: ``redis://``, ``rediss://`` or ``unix://`` URL.
        timeout: seconds for connecting and for each reply; blocking reads must ask for less.
    """
    return Redis.from_url(
        url,
        retry=Retry(NoBackoff(), 0),
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        health_check_interval=0,
    )
