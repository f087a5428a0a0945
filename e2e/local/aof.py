"""Takes the last writes away from a Valkey, as a crashed machine does: with AOF everysec, up to a second of them."""

import asyncio
import os
import random
import time
from collections import deque
from pathlib import Path

SAMPLE_SECONDS = 0.02
LOST_SECONDS = 1.0


class Tail:
    """Remembers how long the append-only file was when, so that its last second can be cut off.

    Args:
        directory: Valkey's data.
    """

    def __init__(self, directory: Path) -> None:
        self._folder = directory / "appendonlydir"
        self._lengths: deque[tuple[float, int]] = deque(maxlen=round(10 * LOST_SECONDS / SAMPLE_SECONDS))

    async def watch(self) -> None:
        """Look at the file's length for ever."""
        while True:
            self._lengths.append((time.monotonic(), self._file().stat().st_size))
            await asyncio.sleep(SAMPLE_SECONDS)

    def cut(self, dice: random.Random) -> int:
        """Cut the file of a dead Valkey at any byte that was written within the last second; returns the bytes lost.

        A command that is cut in two is what Valkey finds after a crash too: it drops the torn one.
        """
        file = self._file()
        now, size = time.monotonic(), file.stat().st_size
        earliest = max((length for at, length in self._lengths if at <= now - LOST_SECONDS), default=size)
        keep = dice.randint(min(earliest, size), size)
        os.truncate(file, keep)
        return size - keep

    def _file(self) -> Path:
        """The incremental file; there is one, since nothing rewrites it."""
        (file,) = self._folder.glob("*.incr.aof")
        return file
