"""WebSockets by hand, for what no client library would send."""

import asyncio
import base64
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import msgspec
from websockets.frames import Frame, Opcode
from wire_world import PATIENCE, GatewayProcess


@dataclass
class Raw:
    """A TCP connection after its handshake was sent and answered."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    body: Any = None
    """Of an answer that is no upgrade."""

    async def send(self, opcode: Opcode, data: bytes, *, fin: bool = True, rsv1: bool = False) -> None:
        """A frame; ``rsv1`` marks it as compressed."""
        whole = Frame(opcode, data, fin).serialize(mask=True)
        self.writer.write(bytes([whole[0] | (0x40 if rsv1 else 0)]) + whole[1:])  # the library refuses RSV1
        await self.writer.drain()

    async def flood(self, data: bytes) -> None:
        """Write the same bytes over and over, reading nothing, until the other side ends the connection."""
        self.reader._transport.pause_reading()  # type: ignore[attr-defined]
        async with asyncio.timeout(PATIENCE):
            while True:
                self.writer.write(data)
                await self.writer.drain()

    async def frame(self) -> tuple[int, bytes]:
        """The next frame that the server sends: opcode and payload."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack(">H", await self.reader.readexactly(2))
            return first & 0x0F, await self.reader.readexactly(size)

    async def closed(self) -> tuple[list[dict[str, Any]], int, str]:
        """Read to the end: JSON messages, close code and reason; code 1006 when TCP ended without a close frame."""
        messages: list[dict[str, Any]] = []
        while True:
            try:
                opcode, data = await self.frame()
            except (asyncio.IncompleteReadError, ConnectionError):
                return messages, 1006, ""
            if opcode == Opcode.CLOSE:
                return messages, struct.unpack(">H", data[:2])[0], data[2:].decode()
            if opcode == Opcode.TEXT:
                messages.append(msgspec.json.decode(data))

    async def ended(self) -> None:
        """Wait for the end of the TCP connection, whatever comes before it."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await self.reader.read(65_536):
                    pass

    def abort(self) -> None:
        """Let go at once."""
        self.writer.transport.abort()


async def knock(
    gateway: GatewayProcess, key: str | None, *, local: str = "127.0.0.1", buffer: int = 0, **headers: str
) -> Raw:
    """Send a handshake and read its answer; ``local`` is the address to come from, ``buffer`` bytes fit in its ear."""
    end = socket.socket()
    if buffer:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    end.bind((local, 0))
    end.setblocking(False)
    await asyncio.get_running_loop().sock_connect(end, ("127.0.0.1", gateway.port))
    reader, writer = await asyncio.open_connection(sock=end)
    said = {
        "Host": f"127.0.0.1:{gateway.port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **({"Authorization": f"Bearer {key}"} if key is not None else {}),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = ["GET /ws HTTP/1.1", *(f"{name}: {value}" for name, value in said.items()), "", ""]
    writer.write("\r\n".join(lines).encode())
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        answered = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name
        }
        raw = Raw(reader, writer, int(head[0].split()[1]), answered)
        if raw.status != 101 and "content-length" in answered:
            body = await reader.readexactly(int(answered["content-length"]))
            raw.body = msgspec.json.decode(body) if body.startswith(b"{") else body
    return raw


@asynccontextmanager
async def knocking(gateway: GatewayProcess, key: str | None = "", **options: Any) -> AsyncIterator[Raw]:
    """As :func:`knock`, with the gateway's own key when it is empty; the connection is let go afterwards."""
    raw = await knock(gateway, gateway.key if key == "" else key, **options)
    try:
        yield raw
    finally:
        raw.abort()
