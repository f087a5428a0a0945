"""One model call for all sessions that have a chunk waiting, off the event loop."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speechpipe_gateway.vad.level import peaks
from speechpipe_gateway.vad.pace import Pace
from speechpipe_gateway.vad.silero import CONTEXT_SAMPLES, VadError
from speechpipe_gateway.vad.state import REPLAYED_CHUNKS, VadState, model_input
from speechpipe_gateway.vad.votes import ChunkVote
from speechpipe_gateway.vad.webrtc import feed_all

MAX_BATCH: Final = 128
"""Chunks in one model call: 4 ms of Silero on one core; larger batches gain nothing."""

MOST_ROUNDS: Final = 4
"""Model calls before others that wait are looked at again: 128 ms of audio of each session."""


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
    error: VadError | None = None
    awake: bool = False
    """Silero hears the rest of these chunks."""
    first: tuple[bool, bool] | None = None
    """What WebRTC and the level say of the next chunk."""

    @property
    def left(self) -> int:
        """Chunks that nobody has looked at."""
        return 0 if self.error else len(self.chunks) - len(self.votes)

    @property
    def next(self) -> NDArray[np.int16]:
        """The first of them."""
        chunk: NDArray[np.int16] = self.chunks[len(self.votes)]
        return chunk

    def vote(self, silero: float) -> None:
        """All has been said of the next chunk."""
        assert self.first is not None
        (webrtc, faint), self.first = self.first, None
        self.votes.append(ChunkVote(webrtc, silero, faint))


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
        self._pace = Pace()
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
        return sum(request.left for request in (*self._waiting, *self._in_model))

    def analyse(self, state: VadState, samples: NDArray[np.int16]) -> asyncio.Future[list[ChunkVote]]:
        """Votes on the chunks of 512 samples that ``samples`` (16 kHz mono) completes, in order; often none.

        The chunks are counted from the state's first sample; what is left over waits inside ``state``.

        Returns:
            The votes, done already where no chunk was completed. Its VadError says that the model failed on this
            session's audio, or that the batcher was stopped: the state must not be used again.

        Raises:
            VadError: the batcher does not run.
            RuntimeError: another call for this state has not returned yet.
        """
        if self._pump is None or self._pump.done():
            raise VadError("voice activity detection is not running")
        if state in self._busy:
            raise RuntimeError("analyse() was called for a session whose last call has not returned")
        request = _Request(state, state.split(samples), asyncio.get_running_loop().create_future())
        if len(request.chunks) == 0:
            request.answer.set_result([])
            return request.answer
        self._busy.add(state)
        request.answer.add_done_callback(lambda _: self._busy.discard(state))
        self._waiting.append(request)
        self._pace.asked(state)
        self._wake.set()
        return request.answer

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    await self._linger()
                    if self._fill_batch():
                        await self._analyse_batch()
        finally:
            for request in (*self._in_model, *self._waiting):
                if not request.answer.done():
                    request.answer.set_exception(VadError("voice activity detection was stopped"))
            self._waiting.clear()

    async def _linger(self) -> None:
        """Let more sessions come, where several speak and none of those that wait has begun."""
        fresh = len(self._waiting) < MAX_BATCH and not any(request.votes for request in self._waiting)
        pause = self._pace.pause(time.monotonic())
        if fresh and pause > 0:
            await asyncio.sleep(pause)

    def _fill_batch(self) -> bool:
        """Move as many sessions as fit into ``_in_model``; False when none waits any more."""
        while self._waiting and len(self._in_model) < MAX_BATCH:
            request = self._waiting.popleft()
            if not request.answer.done():
                self._in_model.append(request)
        return bool(self._in_model)

    async def _analyse_batch(self) -> None:
        self._pace.began(time.monotonic())
        calls = await asyncio.get_running_loop().run_in_executor(self._executor, self._rounds, self._in_model)
        for seconds, chunks in calls:
            self._on_batch(seconds, chunks)
        batch, self._in_model = self._in_model, []
        for request in batch:
            if request.answer.done():
                continue
            if request.error is not None:
                request.answer.set_exception(request.error)
            elif request.left:
                self._waiting.append(request)
            else:
                request.answer.set_result(request.votes)

    # --- in the thread ---------------------------------------------------------------------------------------------

    def _rounds(self, batch: Sequence[_Request]) -> list[tuple[float, int]]:
        """The next chunks of each; seconds and size of each model call."""
        calls: list[tuple[float, int]] = []
        for _ in range(MOST_ROUNDS):
            batch = [request for request in batch if request.left and not request.answer.done()]
            if not batch:
                break
            began = time.perf_counter()
            self._first(batch)
            awake = [request for request in batch if request.awake]
            if awake:
                self._step(awake)
            for request in batch:
                if not request.awake:
                    request.state.spare(request.next)
                    request.vote(0.0)
            calls.append((time.perf_counter() - began, len(batch)))
        return calls

    @staticmethod
    def _first(batch: Sequence[_Request]) -> None:
        """What costs little, of the next chunk of each, and whether Silero must hear it."""
        chunks = np.stack([request.next for request in batch])
        loudest = peaks(chunks)
        heard = feed_all([request.state.webrtc for request in batch], chunks, loudest)
        for request, webrtc, peak in zip(batch, heard, loudest.tolist(), strict=True):
            request.first = webrtc, request.state.level.faint(peak)
            request.awake = request.awake or request.state.listening or webrtc

    def _step(self, batch: Sequence[_Request]) -> None:
        """One chunk of each. When a batch fails, each session is tried alone, so that one spoils no other."""
        try:
            self._vote(batch)
        except Exception as error:  # noqa: BLE001 - whatever it is belongs to the session that brought it
            if len(batch) == 1:
                failed = f"voice activity detection failed: {error!r}"
                batch[0].error = error if isinstance(error, VadError) else VadError(failed)
                return
            for request in batch:
                self._step([request])

    def _vote(self, batch: Sequence[_Request]) -> None:
        for back in range(REPLAYED_CHUNKS, 0, -1):
            late = [request.state for request in batch if len(request.state.spared) == back]
            if late:
                self._listen(late, np.stack([state.spared[0] for state in late]))
                for state in late:
                    state.spared.popleft()
        probabilities = self._listen([request.state for request in batch], np.stack([each.next for each in batch]))
        for request, probability in zip(batch, probabilities, strict=True):
            if math.isfinite(probability):
                request.vote(probability)
            else:
                request.error = VadError(f"the Silero model answered {probability} instead of a probability")

    def _listen(self, states: Sequence[VadState], chunks: NDArray[np.int16]) -> list[float]:
        """Silero's probabilities for one chunk of each."""
        before = np.concatenate([state.recurrent for state in states], axis=1)
        probabilities, after = self._model.run(model_input(states, chunks), before)
        found: list[float] = probabilities.tolist()
        for index, (state, probability) in enumerate(zip(states, found, strict=True)):
            if math.isfinite(probability):
                state.recurrent = after[:, index : index + 1].copy()
                state.context = chunks[index, -CONTEXT_SAMPLES:].copy()
        return found
