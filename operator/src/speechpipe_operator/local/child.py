"""One child process: its own session, its output line by line, an end that leaves nothing behind."""

import asyncio
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence

from speechpipe_operator.local.guard import Guard, kill_group
from speechpipe_operator.local.lines import LineSplitter

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h."""

CHUNK_BYTES = 65_536

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with(parent: int) -> None:
    """Runs in the child before exec: SIGKILL me when the thread that started me is gone (Linux).

    The guard covers the rest; this closes the moment between fork and the guard's hearing of it.
    """
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


class Child:
    """A running child. Made by ``Child.spawn``; ``wait`` must be awaited, since it also cleans up."""

    def __init__(self, process: asyncio.subprocess.Process, output: asyncio.Task[None], guard: Guard) -> None:
        self._process = process
        self._output = output
        self._guard = guard

    @classmethod
    async def spawn(
        cls, argv: Sequence[str], env: Mapping[str, str], guard: Guard, on_line: Callable[[str], None]
    ) -> "Child":
        """Start ``argv`` with exactly ``env``; stdout and stderr go to ``on_line`` one line at a time.

        The child leads a session of its own, so that a terminal's Ctrl-C reaches the runner alone.

        Raises:
            OSError: the program can't be started.
        """
        reading, writing = os.pipe()
        parent = os.getpid()
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,
                preexec_fn=lambda: _die_with(parent),
            )
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        guard.watch(process.pid)
        return cls(process, asyncio.create_task(_pump(reading, on_line)), guard)

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end of the child, then kill what it left in its group.

        Returns:
            The exit status, or minus the number of the signal that ended it.
        """
        status = await self._process.wait()
        kill_group(self.pid)
        self._guard.forget(self.pid)
        await self._output
        return status

    def terminate(self) -> None:
        """Ask it to end (SIGTERM, to the child alone: it may need its own children to finish its work)."""
        if self._process.returncode is None:
            self._process.terminate()

    def kill(self) -> None:
        """End it and its children at once."""
        if self._process.returncode is None:
            kill_group(self.pid)


async def _pump(reading: int, on_line: Callable[[str], None]) -> None:
    """Read the pipe to its end. The pipe is ours: asyncio's own would tie ``wait`` to grandchildren that hold it."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
        splitter = LineSplitter()
        try:
            while chunk := await reader.read(CHUNK_BYTES):
                for line in splitter.feed(chunk, loop.time()):
                    on_line(line)
            for line in splitter.end():
                on_line(line)
        finally:
            transport.close()
