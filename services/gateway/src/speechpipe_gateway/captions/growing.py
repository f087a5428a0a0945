"""Files that grow, each shared by all its readers on this process."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from speechpipe_common.messages import Delivery
from speechpipe_gateway.captions.writing import CaptionWriter, Form

PIECE_RESULTS: Final = 50
"""Results whose cues are written at a time, on a thread: a backlog of hours must not hold anything up."""


class GrowingFile:
    """The captions of one session in one form and language: written once, however many read them.

    A reader holds nothing but its place, so that one who does not read costs no more than what is on its way to it.
    """

    def __init__(self, writer: CaptionWriter) -> None:
        self.quiet = writer.quiet()
        self.over = False
        self._writer = writer
        self._written = 0
        self._pieces = [writer.beginning()] if writer.beginning() else []
        self._news = asyncio.Event()

    def __len__(self) -> int:
        return len(self._pieces)

    async def piece(self, number: int, seconds: float) -> str | None:
        """A piece of its text, from 0 on; "" when it has not been written in that time, None when it never will be."""
        if number >= len(self._pieces) and not self.over:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                return ""
        return self._pieces[number] if number < len(self._pieces) else None

    async def write(self, results: Sequence[Delivery]) -> None:
        """Write what is new among all results of the session so far."""
        while self._written < len(results):
            some = results[self._written : self._written + PIECE_RESULTS]
            text = await asyncio.to_thread(self._writer.write, some)
            self._written += len(some)
            if text:
                self._pieces.append(text)
                self._tell()

    def end(self) -> None:
        """There will be no more."""
        self.over = True
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


@dataclass(slots=True, eq=False)
class Feed:
    """What one session has said since its beginning, as far as it is kept, and the files that are written of it."""

    results: list[Delivery] = field(default_factory=list)
    files: dict[tuple[Form, str | None], GrowingFile] = field(default_factory=dict)
    over: bool = False
    readers: int = 0

    def file(self, form: Form, language: str | None) -> GrowingFile:
        """The file of that form and language."""
        return self.files.setdefault((form, language), GrowingFile(CaptionWriter(form, language)))

    async def add(self, results: Sequence[Delivery], *, over: bool) -> None:
        """More results, which each file is brought up to; ``over``: the last."""
        self.results.extend(results)
        for file in list(self.files.values()):
            await file.write(self.results)
        if over:
            self.end()

    def end(self) -> None:
        """There will be no more."""
        self.over = True
        for file in self.files.values():
            file.end()
