"""Output of children as lines, and the log that shows them with a coloured prefix."""

import codecs
import os
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Protocol, TextIO

LONGEST_LINE: Final = 8_192
"""Characters after which a line is broken, so that a child without line ends can't fill our memory."""

PROGRESS_SECONDS: Final = 1.0
"""A progress bar redraws its line many times a second; one picture of it a second is enough for a log."""

COLOURS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
"""ANSI foreground colours that read well on black and on white."""

_LINE_END = re.compile(r"\r\n|\n|\r(?=.)", re.DOTALL)


class LineSplitter:
    """Bytes in, complete lines out; of lines that end in a bare carriage return (a progress bar), one a second."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""
        self._progress_at = float("-inf")

    def feed(self, chunk: bytes, now: float) -> list[str]:
        """Lines that ``chunk`` completes; ``now`` is a monotonic clock in seconds."""
        self._rest += self._decoder.decode(chunk)
        lines = []
        while end := _LINE_END.search(self._rest):
            line, self._rest = self._rest[: end.start()], self._rest[end.end() :]
            if end.group() == "\r":
                if now - self._progress_at < PROGRESS_SECONDS:
                    continue
                self._progress_at = now
            lines.append(line)
        while len(self._rest) > LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        return [line for line in lines if line.strip()]

    def end(self) -> list[str]:
        """What is left when the output has ended."""
        rest, self._rest = (self._rest + self._decoder.decode(b"", final=True)).rstrip("\r"), ""
        return [rest] if rest.strip() else []


class Log(Protocol):
    """Where the lines of a pipeline go."""

    def line(self, source: str, text: str) -> None:
        """Show one line of the process called ``source``."""


class PrefixLog:
    """Writes ``HH:MM:SS source | text``; the sources are padded to ``width`` and each has its colour.

    Args:
        stream: coloured only when it is a terminal and neither ``NO_COLOR`` nor ``TERM=dumb`` is set.
        width: length of the longest source.
        environ: read for those names.
    """

    def __init__(self, stream: TextIO = sys.stdout, width: int = 9, environ: Mapping[str, str] = os.environ) -> None:
        self._stream: TextIO | None = stream
        self._width = width
        self._coloured = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
        self._colours: dict[str, int] = {}

    def line(self, source: str, text: str) -> None:
        """Write the line; once the reader of a pipe has gone, nothing is written any more."""
        if self._stream is None:
            return
        prefix = f"{datetime.now():%H:%M:%S} {source:<{self._width}} |"
        if self._coloured:
            colour = self._colours.setdefault(source, COLOURS[len(self._colours) % len(COLOURS)])
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        try:
            self._stream.write(f"{prefix} {text}\n")
            self._stream.flush()
        except BrokenPipeError:
            self._stream = None
