"""One model call for all sessions that have a chunk waiting, off the event loop."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speechpipe_gateway.vad.silero import VadError
from speechpipe_gateway.vad.state import VadState
from speechpipe_gateway.vad.votes import ChunkVote

MAX_BATCH: Final = 128
"""Chunks in one call: 8 ms of Silero and 3 ms around it on one core; larger batches gain nothing."""


class SpeechModel(Protocol):
    """What the batcher needs of :class:`~speechpipe_gateway.vad.silero.Silero`."""

    def run(
        self, chunks: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities and next states of ``n`` sessions."""
        ...


@dataclass(slots=True, eq=False)
class _Request:
    state: VadState
    chunks: NDArray[np.int16]
    answer: asyncio.Future[list[ChunkVote]]
    votes: list[ChunkVote] = field(default_factory=list)

    @property
    def chunk(self) -> NDArray[np.int16]:
        chunk: NDArray[np.int16] = self.chunks[len(self.votes)]
        return chunk


class VadBatcher:
    """Analyses the audio of all sessions of a process in one thread; an async context manager.

    Sessions take turns chunk by chunk, so one that sends faster than real time slows nobody. A session waits for its
    own answer before it may ask again, so what is queued is bounded by the sessions admitted and the message size.
    A call that is cancelled (its session closed) leaves the queue.

    Args:
        model: Loaded Silero model.
        on_batch: Called on the event loop after each model call with its seconds and its number of chunks.
    """

    def __init__(self, model: SpeechModel, on_batch: Callable[[float, int], None]) -> None:
        self._model = model
        self._on_batch = on_batch
        self._waiting: deque[_Request] = deque()
        self._in_model: list[_Request] = []
        self._busy: set[VadState] = set()
        self._wake = asyncio.Event()
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vad")
        self._pump: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start taking work."""
        self._pump = asyncio.create_task(self._run(), name="vad")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; calls that still wait get a VadError."""
        if self._pump is not None:
            self._pump.cancel()
            await asyncio.wait([self._pump])
        self._executor.shutdown()

    @property
    def waiting(self) -> int:
        """Chunks that nobody has looked at yet."""
        return sum(len(request.chunks) - len(request.votes) for request in (*self._waiting, *self._in_model))

    async def analyse(self, state: VadState, samples: NDArray[np.int16]) -> list[ChunkVote]:
        """Votes on the chunks of 512 samples that ``samples`` (16 kHz mono) completes, in order; often none.

        The chunks are counted from the state's first sample; what is left over waits inside ``state``.

        Raises:
            VadError: the model failed on this session's audio, or the batcher is stopped. The state must not be used
                again.
            RuntimeError: another call for this state has not returned yet.
        """
        if self._pump is None or self._pump.done():
            raise VadError("voice activity detection is not running")
        if state in self._busy:
            raise RuntimeError("analyse() was called for a session whose last call has not returned")
        chunks = state.split(samples)
        if len(chunks) == 0:
            return []
        request = _Request(state, chunks, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        self._busy.add(state)
        self._wake.set()
        try:
            return await request.answer
        finally:
            self._busy.discard(state)

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._fill_batch():
                    await self._analyse_batch()
        finally:
            for request in (*self._in_model, *self._waiting):
                if not request.answer.done():
                    request.answer.set_exception(VadError("voice activity detection was stopped"))
            self._waiting.clear()

    def _fill_batch(self) -> bool:
        """Move the next chunk of as many sessions as fit into ``_in_model``; False when nothing waits."""
        while self._waiting and len(self._in_model) < MAX_BATCH:
            request = self._waiting.popleft()
            if not request.answer.done():
                self._in_model.append(request)
        return bool(self._in_model)

    async def _analyse_batch(self) -> None:
        began = time.perf_counter()
        outcomes = await asyncio.get_running_loop().run_in_executor(self._executor, self._step, self._in_model)
        self._on_batch(time.perf_counter() - began, len(outcomes))
        batch, self._in_model = self._in_model, []
        for request, outcome in zip(batch, outcomes, strict=True):
            if request.answer.done():
                continue
            if isinstance(outcome, VadError):
                request.answer.set_exception(outcome)
                continue
            request.votes.append(outcome)
            if len(request.votes) == len(request.chunks):
                request.answer.set_result(request.votes)
            else:
                self._waiting.append(request)

    def _step(self, batch: Sequence[_Request]) -> list[ChunkVote | VadError]:
        """Runs in the thread. When a batch fails, each of its sessions is tried alone, so that one spoils no other."""
        try:
            return self._vote(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the session that brought it
            if len(batch) == 1:
                return [
                    error if isinstance(error, VadError) else VadError(f"voice activity detection failed: {error!r}")
                ]
            return [outcome for request in batch for outcome in self._step([request])]

    def _vote(self, batch: Sequence[_Request]) -> list[ChunkVote | VadError]:
        inputs = np.stack([request.state.model_input(request.chunk) for request in batch])
        before = np.stack([request.state.recurrent for request in batch], axis=1)
        probabilities, after = self._model.run(inputs, before)
        outcomes: list[ChunkVote | VadError] = []
        for index, request in enumerate(batch):
            probability = float(probabilities[index])
            if np.isfinite(probability):
                outcomes.append(request.state.advance(request.chunk, probability, after[:, index]))
            else:
                outcomes.append(VadError(f"the Silero model answered {probability} instead of a probability"))
        return outcomes
