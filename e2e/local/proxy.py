"""A TCP proxy in front of Valkey that loses the replies to commits: they are carried out, and nobody hears of it."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from speechpipe_common.store.scripts import source

COMMIT = hashlib.sha1(source("commit").encode(), usedforsecurity=False).hexdigest().encode()
"""What EVALSHA calls the commit."""

_CHUNK = 1 << 20


@dataclass
class Losses:
    """How many replies are still to be lost, and how many were."""

    left: int
    lost: int = 0


class _Pair:
    """One connection through the proxy. A worker waits for each reply before it asks again on the same connection."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._armed = False

    def asked(self, data: bytes) -> None:
        """The worker said this."""
        self._armed = self._armed or (COMMIT in data and self._losses.left > 0)

    def loses(self, data: bytes) -> bool:
        """Whether this reply is to be lost; an error (the script is not loaded yet) is not the reply to a commit."""
        armed, self._armed = self._armed, False
        if not armed or data.startswith(b"-"):
            return False
        self._losses.left -= 1
        self._losses.lost += 1
        return True


@contextlib.asynccontextmanager
async def losing_replies(valkey_port: int, port: int, losses: Losses) -> AsyncIterator[None]:
    """Serve the proxy on a loopback port inside the block."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        pair = _Pair(losses)
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", valkey_port)
        except OSError:
            writer.close()
            return
        forth = asyncio.create_task(_forth(reader, there, pair))
        back = asyncio.create_task(_back(there_reader, writer, pair))
        await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
        for task in (forth, back):
            task.cancel()
        writer.transport.abort()
        there.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    async with server:
        yield


async def _forth(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair) -> None:
    while data := await reader.read(_CHUNK):
        pair.asked(data)
        writer.write(data)
        await writer.drain()


async def _back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pair: _Pair) -> None:
    while data := await reader.read(_CHUNK):
        if pair.loses(data):
            return
        writer.write(data)
        await writer.drain()
