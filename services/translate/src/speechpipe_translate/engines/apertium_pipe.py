"""A chain of Apertium programs that stays open: texts in, translations out, each ended by a NUL."""

import os
import selectors
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from speechpipe_translate.engines.apertium_stream import FLUSH

_CHUNK_BYTES = 65_536
_GENERATOR_OPTION, _TAGGER_OPTION = "$1", "$2"


def programs_of(mode: Path) -> list[list[str]]:
    """The programs of a mode file with their arguments, first to last, each told to flush at NUL.

    The generator is told to print words it does not know without a mark.

    Raises:
        OSError: a program is not installed.
        subprocess.CalledProcessError: the mode file cannot be read.
        ValueError: the mode file is more than a plain pipe of programs.
    """
    command = ["apertium-wblank-mode", "-z", str(mode)]
    script = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - a path
    words = shlex.shlex(script, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    programs: list[list[str]] = [[]]
    for word in words:
        if word == "|":
            programs.append([])
        elif word == _GENERATOR_OPTION:
            programs[-1].append("-n")
        elif set(word) <= set(";&<>()|") or (word.startswith("$") and word != _TAGGER_OPTION):
            raise ValueError(f"{word!r} in {mode} is not understood")
        elif word != _TAGGER_OPTION:
            programs[-1].append(word)
    for program in programs:
        if not program or not shutil.which(program[0]):
            raise FileNotFoundError(f"{program[0] if program else 'a program'} of {mode} is not installed")
    return programs


class ApertiumPipe:
    """One running chain, all of it children of this process.

    The ``apertium`` command cannot be kept open: its deformatter holds a text back until its input ends. A shell
    between us and the programs would hide the death of one.

    Args:
        programs: what ``programs_of`` returned.
    """

    def __init__(self, programs: Sequence[Sequence[str]]) -> None:
        self._chain: list[subprocess.Popen[bytes]] = []
        source: IO[bytes] | int = subprocess.PIPE
        try:
            for program in programs:
                source = self._add(program, source)
        except OSError:
            self.close()
            raise
        into, out = self._chain[0].stdin, self._chain[-1].stdout
        assert into is not None
        assert out is not None
        self._into, self._out = into.fileno(), out.fileno()
        os.set_blocking(self._into, False)

    @property
    def pids(self) -> list[int]:
        """Process ids of the programs, first to last."""
        return [process.pid for process in self._chain]

    def _add(self, program: Sequence[str], source: IO[bytes] | int) -> IO[bytes]:
        process = subprocess.Popen(  # noqa: S603 - from the mode file of an installed package
            program,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        self._chain.append(process)
        if not isinstance(source, int):
            # The program before must be the only one to hold this end, or nobody would notice its death.
            source.close()
        assert process.stdout is not None
        return process.stdout

    def exchange(self, texts: Sequence[bytes], timeout: float) -> list[bytes]:
        """Send all texts and return what comes back, up to each NUL, in order.

        Returns fewer when the chain died, or gave no answer for ``timeout`` seconds: then it is of no more use, and the
        text after the last answered one is under suspicion.
        """
        waiting = memoryview(b"".join(texts))
        received: list[bytes] = []
        last = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(self._out, selectors.EVENT_READ)
            selector.register(self._into, selectors.EVENT_WRITE)
            while len(received) < len(texts):
                ready = {key.fd for key, _ in selector.select(timeout)}
                if self._out in ready:
                    chunk = os.read(self._out, _CHUNK_BYTES)
                    if not chunk:
                        break
                    *ended, rest = chunk.split(FLUSH)
                    for part in ended:
                        received.append(bytes(last + part))
                        last.clear()
                    last += rest
                elif self._into in ready:
                    try:
                        waiting = waiting[os.write(self._into, waiting[:_CHUNK_BYTES]) :]
                    except BrokenPipeError:
                        break
                    if not waiting:
                        selector.unregister(self._into)
                else:
                    break
        return received

    def close(self) -> None:
        """End every program of the chain, at once, and leave no zombie."""
        for process in self._chain:
            process.kill()
        for process in self._chain:
            for end in (process.stdin, process.stdout):
                if end:
                    end.close()
            process.wait()
