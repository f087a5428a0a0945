"""Where audio comes from: a file, a microphone, or anything that can be iterated over, behind one face."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

from speechpipe_client.options import RawFormat, SessionOptions, Wishes, spoken_language, target_languages

_WAITING_BLOCKS: Final = 16
"""Blocks of an ordinary iterator that are taken before anybody asked for them."""


@runtime_checkable
class AudioSource(Protocol):
    """Audio that knows its own format, such as ``AudioFile`` and ``Microphone``.

    Iterating gives blocks of whole frames: ``channels`` interleaved samples in ``format``, ``sample_rate`` frames a
    second. Blocks of 20 to 200 ms suit a live source.
    """

    @property
    def sample_rate(self) -> int:
        """Frames a second, in Hz."""

    @property
    def channels(self) -> int:
        """Interleaved channels."""

    @property
    def format(self) -> RawFormat:
        """Sample type: ``s16`` or ``f32``."""

    @property
    def live(self) -> bool:
        """Whether it goes on even when nobody takes its blocks: then it is kept while a connection is lost."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Blocks, from the beginning."""


Audio = AudioSource | AsyncIterable[bytes] | Iterable[bytes]
"""What a session can send by itself: a source, or an iterator of any kind that gives blocks of raw audio."""


def wished(language: str, translate: str | Sequence[str], audio: Audio | None, wishes: Wishes) -> SessionOptions:
    """Options of a session that sends ``audio``, in that source's own format where it has one.

    Raises:
        UnsupportedLanguage: a language that nobody knows.
        ValueError: ``wishes`` hold a format for a source that has its own.
    """
    spoken, targets = spoken_language(language), target_languages(translate)
    if not isinstance(audio, AudioSource):
        return SessionOptions(source=spoken, targets=targets, **wishes)
    if clashing := sorted({"sample_rate", "channels", "format"} & wishes.keys()):
        raise ValueError(f"{type(audio).__name__} has a format of its own: leave out {', '.join(clashing)}")
    options = SessionOptions(source=spoken, targets=targets, **wishes)
    return replace(options, sample_rate=audio.sample_rate, channels=audio.channels, format=audio.format)


async def blocks_of(audio: Audio) -> AsyncGenerator[bytes, None]:
    """The blocks of ``audio``. An ordinary iterator, which may block, runs on a thread of its own."""
    blocks = aiter(audio if isinstance(audio, AsyncIterable) else _from_thread(audio))
    try:
        async for block in blocks:
            yield block
    finally:
        if isinstance(blocks, AsyncGenerator):
            await blocks.aclose()


async def _from_thread(audio: Iterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The blocks of an iterator that may block, such as one that reads a pipe or a socket.

    The thread is a daemon: one that waits for a pipe on which nothing comes any more must not keep a program from
    ending.
    """
    pump = _Pump(audio)
    threading.Thread(target=pump.run, name="speechpipe-audio", daemon=True).start()
    try:
        while (block := await pump.next()) is not None:
            yield block
    finally:
        pump.stop()


class _Pump:
    """Moves blocks from an iterator on one thread to the event loop that made it, a few ahead of who asks."""

    def __init__(self, audio: Iterable[bytes]) -> None:
        self._audio = audio
        self._loop = asyncio.get_running_loop()
        self._room = threading.Semaphore(_WAITING_BLOCKS)
        self._over = threading.Event()
        self._taken: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()

    def run(self) -> None:
        """Iterate to the end, or until stopped; for the thread."""
        try:
            for block in self._audio:
                self._room.acquire()
                if self._over.is_set():
                    return
                self._hand(block)
            self._hand(None)
        except Exception as error:  # noqa: BLE001 - whatever the iterator raises belongs to who asks for its blocks
            self._hand(error)

    async def next(self) -> bytes | None:
        """The next block; None at the end.

        Raises:
            Exception: what the iterator raised.
        """
        item = await self._taken.get()
        self._room.release()
        if isinstance(item, Exception):
            raise item
        return item

    def stop(self) -> None:
        """Iterate no further than the present block."""
        self._over.set()
        self._room.release()

    def _hand(self, item: bytes | Exception | None) -> None:
        with suppress(RuntimeError):  # the loop is closed, so that nobody asks any more
            self._loop.call_soon_threadsafe(self._taken.put_nowait, item)
