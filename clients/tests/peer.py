"""A scripted gateway on a real socket: each connection runs the next script, and everything said to it is kept."""

import asyncio
import http
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import UnionType

import msgspec
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from speechpipe_common import wire

DEADLINE = 120.0


@dataclass
class Caller:
    """One connection, as the gateway sees it."""

    socket: ServerConnection
    messages: list[wire.ClientMessage] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)

    async def say(self, *messages: wire.ServerMessage) -> None:
        """Send messages."""
        for message in messages:
            await self.socket.send(msgspec.json.encode(message).decode())

    async def hear(self, kind: type[msgspec.Struct] | UnionType) -> msgspec.Struct:
        """Read until a message of ``kind``; audio before it is collected."""
        async with asyncio.timeout(DEADLINE):
            while True:
                frame = await self.socket.recv()
                if isinstance(frame, bytes):
                    self.audio += frame
                    continue
                message = msgspec.json.decode(frame, type=wire.ClientMessage)
                self.messages.append(message)
                if isinstance(message, kind):
                    return message

    async def hear_audio(self, count: int) -> bytes:
        """Read until ``count`` bytes of audio are there."""
        async with asyncio.timeout(DEADLINE):
            while len(self.audio) < count:
                frame = await self.socket.recv()
                if isinstance(frame, bytes):
                    self.audio += frame
                else:
                    self.messages.append(msgspec.json.decode(frame, type=wire.ClientMessage))
        return bytes(self.audio)

    async def welcome(self, token: str = "t1", offset: int = 0) -> None:
        """Answer ``start`` or ``resume`` with ``ready``."""
        asked = await self.hear(wire.Start | wire.Resume)
        resumed = isinstance(asked, wire.Resume)
        await self.say(
            wire.Ready(
                session_id="s",
                token=token,
                offset=offset,
                resumed=resumed,
                sample_rate=16_000,
                channels=1,
                format="s16",
                cursor="0-0",
            )
        )

    async def finish(self) -> None:
        """Hear ``stop`` and close as a gateway does when everything is delivered."""
        await self.hear(wire.Stop)
        await self.socket.close(1000)

    def vanish(self) -> None:
        """Break the connection without a close frame."""
        self.socket.transport.abort()


Script = Callable[[Caller], Awaitable[None]]


@dataclass
class Peer:
    """The scripted gateway: its address and the connections it had."""

    url: str = ""
    callers: list[Caller] = field(default_factory=list)
    headers: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def gateway(
    *scripts: Script, refusals: Sequence[tuple[http.HTTPStatus, dict[str, str]]] = (), body: str = ""
) -> AsyncIterator[Peer]:
    """A gateway that answers the first handshakes with ``refusals`` and then runs one script per connection."""
    peer = Peer()
    pending = list(refusals)

    def admit(connection: ServerConnection, request: Request) -> Response | None:
        peer.headers.append(request.headers.get("Authorization"))
        if not pending:
            return None
        status, headers = pending.pop(0)
        response = connection.respond(status, body)
        response.headers.update(headers)
        return response

    async def run(socket: ServerConnection) -> None:
        caller = Caller(socket)
        script = scripts[len(peer.callers)]
        peer.callers.append(caller)
        with suppress(ConnectionClosed):
            await script(caller)

    async with serve(run, "127.0.0.1", 0, process_request=admit, compression=None) as server:
        peer.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield peer


def final(segment: str, text: str, cursor: str, end: float = 1.0) -> wire.FinalCaption:
    """A final caption with as little as needed."""
    return wire.FinalCaption(
        segment_id=segment,
        rev=9,
        text=text,
        language="en",
        start=0.0,
        end=end,
        words=(),
        continues=False,
        processing_time=0.1,
        cursor=cursor,
    )


def partial(segment: str, text: str, rev: int, cursor: str = "0-0") -> wire.Realtime:
    """A partial caption with as little as needed."""
    return wire.Realtime(
        segment_id=segment,
        rev=rev,
        text=text,
        committed="",
        tail=text,
        language="en",
        processing_time=0.1,
        cursor=cursor,
    )


def translated(segment: str, text: str, *, is_final: bool, rev: int = 9, cursor: str = "0-0") -> wire.Translation:
    """A translation into Spanish."""
    return wire.Translation(segment_id=segment, rev=rev, text=text, language="es", is_final=is_final, cursor=cursor)
