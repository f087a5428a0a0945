"""The Redis of one pipeline: addresses come from a Secret, which may change; clients are made when needed."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from redis.asyncio import Redis

from speechpipe_common.shards import addresses
from speechpipe_common.store import connect

TIMEOUT_SECONDS: Final = 3.0

Shards = Sequence[Redis]
"""One client for each Redis of a pipeline, always in the same order."""

AddressOf = Callable[[], Awaitable[str]]
"""URL of a pipeline's Redis, password included; of shards with commas between them. Raises ``NoAddress`` where it is
not to be had."""


class NoAddress(Exception):
    """It is not known where the pipeline's Redis is; the message says what is missing."""


class RedisSource:
    """A client for each shard, whose commands come one after another, so that it costs one connection.

    Args:
        address: asked again after each ``close``.
    """

    def __init__(self, address: AddressOf) -> None:
        self._address = address
        self._clients: tuple[Redis, ...] = ()

    async def get(self) -> Shards:
        """The clients; it may turn out that nobody answers.

        Raises:
            NoAddress: see ``AddressOf``.
        """
        if not self._clients:
            urls = addresses(await self._address())
            self._clients = tuple(connect(url, timeout=TIMEOUT_SECONDS) for url in urls)
        return self._clients

    async def close(self) -> None:
        """Close the connections; the next ``get`` asks for the address again."""
        clients, self._clients = self._clients, ()
        for client in clients:
            await client.aclose()
