"""faster-whisper alone, as a baseline: the same utterances at the same moments, decoded one at a time.

It is told when speech ends, so it waits for no silence, and it shows no partials. It runs in a process of its own, so
that its cost is not that of the load.
"""

import asyncio
import multiprocessing
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

import numpy as np

from speechpipe_client.errors import SpeechpipeError
from speechpipe_client.load.record import Told
from speechpipe_client.load.talker import RATE, Said, Talker
from speechpipe_common.wire import FinalCaption

if TYPE_CHECKING:
    from speechpipe_stt.whisper import FasterWhisperEngine

Device = Literal["auto", "cpu", "cuda"]
LEAD_SECONDS: Final = 0.3
"""Of silence on both sides of an utterance, as a detector would leave."""

_engine: list["FasterWhisperEngine"] = []
"""In the other process: the one engine."""


def _load(model: str, device: Device) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the load, which ends this process
    from speechpipe_stt.models import resolve
    from speechpipe_stt.whisper import FasterWhisperEngine

    _engine.append(FasterWhisperEngine(resolve(model, offline=False), device=device))


def _ready() -> bool:
    return bool(_engine)


def _decode(pcm: bytes, language: str) -> str:
    from speechpipe_stt.engine import EngineError, Utterance

    audio = (np.frombuffer(pcm, "<i2") / 32_768).astype(np.float32)
    (outcome,) = _engine[0].transcribe([Utterance(audio, language if language != "auto" else None)])
    if isinstance(outcome, EngineError):
        raise ValueError(str(outcome))
    return outcome.text


class WhisperPeer:
    """The process that decodes for all streams, in the order in which their speech ended."""

    def __init__(self, model: str, device: Device) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, mp_context=context, initializer=_load, initargs=(model, device))

    async def __aenter__(self) -> Self:
        """Load the model.

        Raises:
            SpeechpipeError: it can't be loaded.
        """
        try:
            await asyncio.get_running_loop().run_in_executor(self._pool, _ready)
        except Exception as error:
            raise SpeechpipeError(f"faster-whisper can't be loaded: {error}") from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process; what waits is dropped."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def decode(self, pcm: bytes, language: str) -> str:
        """The text of some PCM16LE at ``RATE``.

        Raises:
            SpeechpipeError: it can't be decoded.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _decode, pcm, language)
        except Exception as error:
            raise SpeechpipeError(f"faster-whisper failed: {error}") from error


class WhisperLine:
    """A stream's ear for the ends of its own utterances, which it hands to the peer."""

    def __init__(self, peer: WhisperPeer) -> None:
        self.sent = 0
        self.received = 0
        self._peer = peer
        self._talker: Talker | None = None
        self._language = ""
        self._handed = 0
        self._heard: asyncio.Queue[Told | SpeechpipeError | None] = asyncio.Queue()
        self._work: set[asyncio.Task[None]] = set()

    async def open(self, language: str, talker: Talker) -> None:
        """Listen to what the talker says."""
        self._language, self._talker = language, talker

    def send(self, frame: bytes) -> None:
        """Hand over what has ended with this frame."""
        self.sent += len(frame)
        talker = self._talker
        if talker is None or self._handed >= len(talker.said):
            return
        said = talker.said[self._handed]
        if talker.position >= said.end:
            self._handed += 1
            task = asyncio.create_task(self._decode(said))
            self._work.add(task)
            task.add_done_callback(self._work.discard)

    async def stop(self) -> None:
        """All is answered."""
        self._heard.put_nowait(None)

    def cut(self) -> None:
        """There is no connection to cut."""

    async def events(self) -> AsyncIterator[Told]:
        """Finals, as they are decoded.

        Raises:
            SpeechpipeError: decoding failed.
        """
        while (heard := await self._heard.get()) is not None:
            if isinstance(heard, SpeechpipeError):
                raise heard
            yield heard

    async def close(self) -> None:
        """Drop what is not decoded."""
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)

    async def _decode(self, said: Said) -> None:
        clip = said.clip
        pcm = b"".join(clip.frames)
        begin, end = max(0.0, clip.onset - LEAD_SECONDS), clip.end + LEAD_SECONDS
        try:
            text = await self._peer.decode(pcm[2 * round(begin * RATE) : 2 * round(end * RATE)], self._language)
        except SpeechpipeError as error:
            self._heard.put_nowait(error)
            return
        self.received += len(text)
        self._heard.put_nowait(
            FinalCaption(
                segment_id=str(round(said.onset * RATE)),
                rev=0,
                text=text,
                language=self._language,
                start=said.onset,
                end=said.end,
                words=(),
                continues=False,
                processing_time=0,
                cursor="",
            )
        )
