"""A chain of Apertium programs that stays open: texts in, translations out, each ended by a NUL."""

import contextlib
import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from speechpipe_translate.engines.apertium_stream import FLUSH

_CHUNK_BYTES = 65_536


def script_of(mode: Path) -> str:
    """The shell command of a mode file, with null flush for each of its programs.

    Raises:
        OSError: ``apertium-wblank-mode`` (Apertium 3.8) is not installed.
        subprocess.CalledProcessError: the mode file cannot be read.
    """
    command = ["apertium-wblank-mode", "-z", str(mode)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - a path as argument


class ApertiumPipe:
    """One running chain.

    The ``apertium`` command itself cannot be kept open: its deformatter holds a text back until its input ends.

    Args:
        script: what ``script_of`` returned.
    """

    def __init__(self, script: str) -> None:
        # The script's $1 tells the generator to print unknown words without a mark, its $2 is the tagger's: nothing.
        self._process = subprocess.Popen(  # noqa: S603 - the script comes from an installed package
            ["/bin/bash", "-c", script, "apertium", "-n", ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
            start_new_session=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._into = self._process.stdin.fileno()
        self._out = self._process.stdout.fileno()
        os.set_blocking(self._into, False)

    def exchange(self, texts: Sequence[bytes], timeout: float) -> list[bytes]:
        """Send all texts and return their translations, without NUL, in order.

        Returns fewer when the chain died, or gave no answer for ``timeout`` seconds: then it is of no more use, and the
        text after the last answered one is under suspicion.
        """
        waiting = memoryview(b"".join(texts))
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._into, selectors.EVENT_WRITE)
            while received.count(FLUSH) < len(texts):
                ready = {key.fd for key, _ in selector.select(timeout)}
                if self._out in ready:
                    chunk = os.read(self._out, _CHUNK_BYTES)
                    received += chunk
                    if not chunk:
                        break
                elif self._into in ready:
                    try:
                        waiting = waiting[os.write(self._into, waiting[:_CHUNK_BYTES]) :]
                    except BrokenPipeError:
                        break
                    if not waiting:
                        selector.unregister(self._into)
                else:
                    break
        return bytes(received).split(FLUSH)[:-1]

    def close(self) -> None:
        """End every program of the chain, at once."""
        # The shell leads the group; its programs may outlive it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        with self._process:
            pass
