"""The Redis of one pipeline: its address comes from a Secret, which may change; the client is made when needed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis

from speechpipe_common.store import connect

TIMEOUT_SECONDS: Final = 3.0

Shards = Sequence[Redis]
"""One client for each Redis of a pipeline, always in the same order."""

AddressOf = Callable[[], Awaitable[str]]
"""URL of a pipeline's Redis, password included. Raises ``NoAddress`` where it is not to be had."""


class NoAddress(Exception):
    """It is not known where the pipeline's Redis is; the message says what is missing."""


class RedisSource:
    """One client, whose commands come one after another, so that a pipeline costs one connection.

    Args:
        address: asked again after each ``close``.
    """

    def __init__(self, address: AddressOf) -> None:
        self._address = address
        self._client: Redis | None = None

    async def get(self) -> Redis:
        """The client; it may turn out that nobody answers.

        Raises:
            NoAddress: see ``AddressOf``.
        """
        if self._client is None:
            self._client = connect(await self._address(), timeout=TIMEOUT_SECONDS)
        return self._client

    async def close(self) -> None:
        """Close the connection; the next ``get`` asks for the address again."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
