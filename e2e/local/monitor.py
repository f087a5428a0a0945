"""What one process makes Valkey do, as MONITOR tells it."""

import asyncio
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from redis.asyncio import Redis

WRITES = frozenset(
    [
        "APPEND",
        "DEL",
        "EXPIRE",
        "HDEL",
        "HINCRBY",
        "HSET",
        "PUBLISH",
        "SADD",
        "SET",
        "UNLINK",
        "XACK",
        "XADD",
        "XCLAIM",
        "XDEL",
        "ZADD",
        "ZREM",
    ]
)
_LINE = re.compile(rb'^\+[\d.]+ \[\d+ (\S+)\] "([^"]*)"(.*)$')
_READ_LIMIT = 1 << 24


@dataclass
class Watch:
    """Commands seen so far: where each came from, its name and its arguments; a script's own follow it."""

    commands: list[tuple[str, str, str]] = field(default_factory=list)

    def writes(self, addresses: Collection[str], words: Collection[str]) -> list[str]:
        """Writes from these addresses, by themselves or in a script, that have one of ``words`` in their arguments.

        A session counts until it is taken over from there again: its client has come back, and the epoch goes up.
        """
        found, source, watched = [], "", set(words)
        for place, name, arguments in self.commands:
            if place != "lua":
                source = place
            if source not in addresses or name not in WRITES:
                continue
            touched = {word for word in watched if word in arguments}
            if name == "HINCRBY":
                watched -= touched
            elif touched:
                found.append(f"{name} {arguments[:200]}")
        return found


@asynccontextmanager
async def monitor(port: int) -> AsyncIterator[Watch]:
    """Watch the Valkey on a loopback port inside the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=_READ_LIMIT)
    writer.write(b"MONITOR\r\n")
    assert await reader.readline() == b"+OK\r\n"
    watch = Watch()
    reading = asyncio.create_task(_read(reader, watch))
    try:
        yield watch
    finally:
        reading.cancel()
        writer.close()


async def _read(reader: asyncio.StreamReader, watch: Watch) -> None:
    while line := await reader.readline():
        if match := _LINE.match(line.rstrip()):
            place, name, arguments = (part.decode() for part in match.groups())
            watch.commands.append((place, name.upper(), arguments))


async def addresses(redis: Redis, name: str) -> set[str]:
    """Where the connections of the process with this client name come from."""
    return {client["addr"] for client in await redis.client_list() if client["name"] == name}
