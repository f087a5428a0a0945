"""Plays speech over many WebSockets at real time, as cheaply as Python can; started by ``gateway_streams.py``.

    python bench/stream_player.py --url ws://127.0.0.1:PORT/ws --pcm FILE --streams N --frame-ms 100 --seconds S

Every stream loops over the same speech from a place of its own. Frames are made once: the mask is zero, so one frame's
bytes serve all streams, and the gateway unmasks it like any other. Prints ``playing`` once all sessions are open, and
at the end one line of JSON: when each session's first sample was said, how late frames were written, and how many
sockets were lost.
"""

import argparse
import asyncio
import base64
import heapq
import json
import os
import struct
import sys
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import msgspec
import uvloop

RATE = 16_000
OPENING_AT_ONCE = 16
SPREAD_SECONDS = 2.0
"""Streams begin over this long, so that they do not all cut at the same moment."""


def frame_of(payload: bytes, opcode: int = 2) -> bytes:
    """A masked WebSocket frame (RFC 6455, 5.2) whose mask is zero."""
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
    elif size < 65_536:
        head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
    else:
        head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
    return head + bytes(4) + payload


class Stream(asyncio.Protocol):
    """One session: opened by hand, then only written to; what comes is counted."""

    def __init__(self, host: str, port: int) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[str] = loop.create_future()
        self.lost = False
        self.received = 0
        self._host = f"{host}:{port}"
        self._head = b""
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        self.transport = cast(asyncio.Transport, transport)  # a TCP connection's
        key = base64.b64encode(os.urandom(16)).decode()
        self.transport.write(
            f"GET /ws HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Read up to ``ready``; then only count."""
        self.received += len(data)
        if self.ready.done():
            return
        self._head += data
        if not self._upgraded and b"\r\n\r\n" in self._head:
            head, _, self._head = self._head.partition(b"\r\n\r\n")
            if b" 101 " not in head.split(b"\r\n")[0]:
                self.ready.set_exception(RuntimeError(f"refused: {head.decode()} {self._head.decode()}"))
                return
            self._upgraded = True
            start = {"type": "start", "sample_rate": RATE, "format": "s16"}
            self.transport.write(frame_of(b'{"type":"set_langs","source_language":"en"}', 1))
            self.transport.write(frame_of(json.dumps(start).encode(), 1))
        begin = self._head.find(b"{")
        if self._upgraded and begin >= 0 and self._head.endswith(b"}"):
            self.ready.set_result(msgspec.json.decode(self._head[begin:])["session_id"])

    def connection_lost(self, _error: Exception | None) -> None:
        """Note it."""
        self.lost = True
        if not self.ready.done():
            self.ready.set_exception(RuntimeError("closed before ready"))


async def open_all(url: str, count: int) -> list[Stream]:
    """So many sessions, a few at a time."""
    parts = urlsplit(url)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    places = asyncio.Semaphore(OPENING_AT_ONCE)
    loop = asyncio.get_running_loop()

    async def opened() -> Stream:
        async with places:
            _, stream = await loop.create_connection(lambda: Stream(host, port), host, port)
            await stream.ready
            return stream

    return await asyncio.gather(*(opened() for _ in range(count)))


async def play(streams: list[Stream], frames: list[bytes], interval: float, seconds: float) -> dict[str, object]:
    """Write each stream's frames when they are due: a frame is due when its last sample was said."""
    clock = time.time
    begin = clock() + 0.2
    # Evenly over the interval, so that the load of a tick is the same for any number of streams.
    order = [begin + SPREAD_SECONDS * i / len(streams) + interval * (i * 0.618034 % 1) for i in range(len(streams))]
    offsets = [i * 7919 % len(frames) for i in range(len(streams))]
    due = [(at + interval, i, 0) for i, at in enumerate(order)]
    heapq.heapify(due)
    late: list[float] = []
    end = begin + seconds
    while due and due[0][0] < end:
        at, i, number = due[0]
        now = clock()
        if at > now:
            await asyncio.sleep(min(at - now, 0.002))
            continue
        if streams[i].lost:
            heapq.heappop(due)
            continue
        streams[i].transport.write(frames[(offsets[i] + number) % len(frames)])
        late.append(now - at)
        heapq.heapreplace(due, (order[i] + (number + 2) * interval, i, number + 1))
    late.sort()
    return {
        "began": {stream.ready.result(): at for stream, at in zip(streams, order, strict=True)},
        "frames": len(late),
        "late_p50": late[len(late) // 2],
        "late_p999": late[int(len(late) * 0.999)],
        "lost": sum(stream.lost for stream in streams),
        "received": sum(stream.received for stream in streams),
    }


def say(text: str) -> None:
    """A line for whoever started this."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def run(options: argparse.Namespace) -> None:
    """Open, play, report, vanish."""
    pcm = options.pcm.read_bytes()
    size = RATE * options.frame_ms // 1000 * 2
    frames = [frame_of(pcm[at : at + size]) for at in range(0, len(pcm) - size + 1, size)]
    streams = await open_all(options.url, options.streams)
    say("playing")
    report = await play(streams, frames, options.frame_ms / 1000, options.seconds)
    for stream in streams:
        stream.transport.abort()
    say(json.dumps(report))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description="Speech over many WebSockets at real time.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--pcm", type=Path, required=True, help="16 kHz mono PCM16LE")
    parser.add_argument("--streams", type=int, required=True)
    parser.add_argument("--frame-ms", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=30.0)
    uvloop.run(run(parser.parse_args()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
