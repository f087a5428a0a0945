"""The gateway's end of a decoder: started, read with bounds, and ended whatever happens."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO, Final, Self

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.logs import get_logger
from speechpipe_gateway.files.errors import SERVER, ApiError, refused_file
from speechpipe_gateway.files.sniffing import REFUSED

PROGRAM: Final = "speechpipe_gateway.files.decoder"
BLOCK_BYTES: Final = SAMPLE_RATE * 2
"""A second."""
STALL_SECONDS: Final = 60.0
"""How long the decoder may take for the next second of audio, its start included."""
_WHY_BYTES: Final = 4_096
_INHERITED: Final = ("PATH", "LANG", "LD_LIBRARY_PATH")
_ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

log = get_logger(__name__)


class Decoder:
    """One file's decoder; an async context manager.

    It inherits nothing but the file: no environment with secrets in it, and no other descriptor.

    Args:
        file: read from its beginning.
        container: what ``sniffing`` found.
        longest: seconds of audio beyond which the file is refused.
    """

    def __init__(self, file: BinaryIO, container: str, longest: float) -> None:
        self._file = file
        self._container = container
        self._longest = longest
        self.seconds = 0.0
        """Decoded so far."""

    async def __aenter__(self) -> Self:
        self._file.seek(0)
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-B", "-m", PROGRAM, self._container),
            stdin=self._file,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ} | _ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
        self._why = asyncio.create_task(_first_of(self._process.stderr))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._why.cancel()
        await asyncio.gather(self._why, return_exceptions=True)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def pcm(self) -> AsyncIterator[bytes]:
        """Audio in blocks of a second; the decoder waits while nobody asks for more.

        Raises:
            ApiError: the file cannot be decoded, is too long, or holds no audio.
        """
        while block := await self._block():
            self.seconds += len(block) / BLOCK_BYTES
            if self.seconds > self._longest:
                raise refused_file(
                    f"the file holds more than {self._longest:g} s of audio, the longest that is taken; cut it into "
                    "several",
                    "file_too_long",
                )
            yield block
        await self._ended()
        if not self.seconds:
            raise refused_file("the file holds no audio: its audio stream is empty", "no_audio")

    async def _block(self) -> bytes:
        if self._process.stdout is None:
            raise AssertionError("a decoder without a pipe")
        try:
            async with asyncio.timeout(STALL_SECONDS):
                return await self._process.stdout.readexactly(BLOCK_BYTES)
        except asyncio.IncompleteReadError as error:
            return error.partial
        except TimeoutError:
            raise refused_file(
                f"decoding stood still for {STALL_SECONDS:g} s; convert the file to wav or flac and try again",
                "file_too_complex",
            ) from None

    async def _ended(self) -> None:
        """The last byte came: was it the end of the file?"""
        status = await self._process.wait()
        why = (await self._why).decode(errors="replace").strip()
        if status == 0:
            return
        code, _, message = why.splitlines()[-1].partition(" ") if why else ("", "", "")
        log.info("file_not_decoded", container=self._container, status=status, reason=why[-300:])
        if status == REFUSED:
            raise refused_file(f"the file cannot be transcribed: {message}", code)
        if status == -signal.SIGXCPU:
            raise refused_file("decoding the file took more time than a file is given", "file_too_complex")
        if status in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL):
            raise refused_file("the file made its decoder crash; it is damaged, or made to do so", "invalid_file")
        raise ApiError(
            500, "the file's decoder was ended before it was done; try again", code="decoder_ended", kind=SERVER
        )


async def _first_of(stream: asyncio.StreamReader | None) -> bytes:
    """What a process says of its failure; the rest is read and forgotten."""
    if stream is None:
        raise AssertionError("a decoder without a pipe")
    kept = b""
    while piece := await stream.read(_WHY_BYTES):
        kept = (kept + piece)[-_WHY_BYTES:]
    return kept
