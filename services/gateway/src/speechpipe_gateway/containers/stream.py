"""The gateway's end of an unpacker: started with the first bytes, spoken to in turns, ended whatever happens."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Final

from speechpipe_common.logs import get_logger
from speechpipe_gateway.containers.kinds import RATE, Container, too_dense
from speechpipe_gateway.containers.unpacker import LENGTH, REFUSED
from speechpipe_gateway.media import MediaError

PROGRAM: Final = "speechpipe_gateway.containers.unpacker"
STALL_SECONDS: Final = 60.0
"""How long the unpacker may take for its next answer, its start included."""
_INHERITED: Final = ("PATH", "LANG", "LD_LIBRARY_PATH")
_WHY_BYTES: Final = 4_096

log = get_logger(__name__)


class NoRoom(Exception):
    """So many streams are being unpacked that there may be no more."""


class Unpackers:
    """The processes of one gateway, which share its memory.

    Args:
        most: at a time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[ContainerStream] = set()

    def open(self, kind: Container) -> "ContainerStream":
        """A stream, which has its place until it is closed.

        Raises:
            NoRoom: there is none.
        """
        if len(self._open) >= self._most:
            raise NoRoom(
                f"all {self._most} places for recordings of this gateway are taken; send samples, or try again later"
            )
        stream = ContainerStream(kind, on_close=self._open.discard)
        self._open.add(stream)
        return stream


class ContainerStream:
    """One client's audio, on its way through a process that has nothing else: no files, no network, no secrets.

    Args:
        kind: the container.
        on_close: told once it is closed.
        clock: seconds.
    """

    def __init__(
        self,
        kind: Container,
        on_close: Callable[["ContainerStream"], None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._on_close = on_close
        self._clock = clock
        self._process: asyncio.subprocess.Process | None = None
        self._began = 0.0
        self._size = 0
        self.seconds = 0.0
        """Decoded so far."""

    @property
    def pid(self) -> int | None:
        """Process id, once the first bytes have come."""
        return self._process.pid if self._process else None

    async def feed(self, piece: bytes) -> AsyncIterator[bytes]:
        """48 kHz mono int16 that these bytes complete, a second of it at most at a time; nothing waits meanwhile.

        Raises:
            MediaError: ``bad_container``.
            OSError: the system has no room for another process.
        """
        if not piece:
            return
        process = self._process
        if process is None:
            process = await self._start()
        self._size += len(piece)
        _write(process, piece)
        async for pcm in self._answers(process):
            yield pcm

    async def finish(self) -> AsyncIterator[bytes]:
        """What was still inside; where the stream stops in its middle, that is its end.

        Raises:
            MediaError: ``bad_container``.
        """
        if self._process is None:
            return
        _write(self._process, b"")
        async for pcm in self._answers(self._process, last=True):
            yield pcm

    async def close(self) -> None:
        """End the process, wherever it is."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()
            # Its last words are read too: the pipes are closed only then.
            await self._process.communicate()
        self._on_close(self)

    async def _start(self) -> asyncio.subprocess.Process:
        self._began = self._clock()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-m", PROGRAM, self._kind),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            cwd="/",
            start_new_session=True,
        )
        async for _ in self._answers(self._process):
            raise AssertionError("audio from nothing")
        return self._process

    async def _answers(self, process: asyncio.subprocess.Process, *, last: bool = False) -> AsyncIterator[bytes]:
        """Audio until the unpacker asks for more, or has ended."""
        while pcm := await self._answer(process, last=last):
            self.seconds += len(pcm) / (RATE * 2)
            if too_dense(self.seconds, self._size, self._clock() - self._began):
                raise MediaError(
                    "bad_container",
                    f"{self._size} bytes hold {self.seconds:.0f} s of audio already, more than Opus has in them when "
                    "people speak; send a recording no faster than four times as fast as it was made",
                )
            yield pcm

    async def _answer(self, process: asyncio.subprocess.Process, *, last: bool) -> bytes:
        if process.stdout is None:
            raise AssertionError("an unpacker without a pipe")
        try:
            async with asyncio.timeout(STALL_SECONDS):
                (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
                return await process.stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            if not last or await process.wait() != 0:
                raise await self._failure(process) from None
            return b""
        except TimeoutError:
            raise MediaError(
                "bad_container", f"decoding stood still for {STALL_SECONDS:.0f} s; send samples instead"
            ) from None

    async def _failure(self, process: asyncio.subprocess.Process) -> MediaError:
        if process.stderr is None:
            raise AssertionError("an unpacker without a pipe")
        why = (await process.stderr.read(_WHY_BYTES)).decode(errors="replace").strip()
        status = await process.wait()
        log.info("container_not_decoded", kind=self._kind, status=status, reason=why[-300:])
        if status != REFUSED:
            why = "it made its decoder end"
        return MediaError("bad_container", f"the audio was declared as {self._kind}, and {why}")


def _write(process: asyncio.subprocess.Process, piece: bytes) -> None:
    """It has asked for this, so it is reading; what it does not read is known from its answer."""
    if process.stdin is None:
        raise AssertionError("an unpacker without a pipe")
    process.stdin.write(LENGTH.pack(len(piece)) + piece)
