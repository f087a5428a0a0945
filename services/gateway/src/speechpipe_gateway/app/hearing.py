"""A connection's audio on its way into its session: decoded, voted on, handed over."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_gateway.containers.stream import ContainerStream
from speechpipe_gateway.live.factory import Opened
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import Save, Vote
from speechpipe_gateway.vad import ChunkVote, VadBatcher, VadRule, VadState

SOFT_SHARE: Final = 2 / 3
"""Below this share of Silero's holding probability nothing is a word."""

MOST_WAITING: Final = SAMPLE_RATE // 4
"""Samples taken in while those before are with the detectors; then the client is not read."""

_VOTES: Final = {said: Vote(*said) for said in product((False, True), repeat=4)}
"""Made once: there are 31 in each second of a stream."""


class Hearing:
    """The detectors' state of one connection, and its audio that waits for their votes.

    Args:
        vad: shared by all connections.
        rule: when the detectors agree.
        webrtc_aggressiveness: ``WEBRTC_SENSITIVITY``.
        metrics: counters.
        on_failure: called when the detectors have failed while nobody waited for them; the connection is of no more
            use, and ``settled`` says why.
    """

    def __init__(
        self,
        vad: VadBatcher,
        rule: VadRule,
        webrtc_aggressiveness: int,
        metrics: GatewayMetrics,
        on_failure: Callable[[], None],
    ) -> None:
        self._vad = vad
        self._rule = rule
        self._metrics = metrics
        self._on_failure = on_failure
        self._state = VadState(webrtc_aggressiveness)
        self._declared = False
        self._container: ContainerStream | None = None
        self._asked: asyncio.Future[list[ChunkVote]] | None = None
        self._waiting: list[NDArray[np.int16]] = []
        self._behind = 0
        self._failure: Exception | None = None
        self._done = asyncio.Event()
        self._done.set()

    @property
    def behind(self) -> bool:
        """So much audio waits that no more should be fed before ``settled``."""
        return self._behind > MOST_WAITING

    def unpack(self, container: ContainerStream) -> None:
        """Frames come in a container."""
        self._container = container

    @property
    def direct(self) -> bool:
        """Frames are samples, which :meth:`feed` takes without waiting."""
        return self._container is None

    async def take(self, opened: Opened, frame: bytes) -> None:
        """Take a binary frame of the session's audio, whatever it is.

        Raises:
            MediaError: the frame is no such audio.
            VadError: the detectors do not run.
            OSError: there is no room for a process that unpacks it.
        """
        if self._container is None:
            self.feed(opened, frame)
        else:
            await self._feed_all(opened, self._container.feed(frame))

    def feed(self, opened: Opened, frame: bytes) -> None:
        """Take a binary frame of samples; its votes come later.

        Raises:
            MediaError: the frame is no such audio.
            VadError: the detectors do not run.
        """
        samples = opened.audio.feed(frame)
        self._metrics.audio_chunks_processed.inc()
        self._metrics.audio_seconds.inc(len(samples) / SAMPLE_RATE)
        if len(samples) and not self._declared:
            self._declared = True
            self._declare(opened)
        self._waiting.append(samples)
        self._behind += len(samples)
        if self._asked is None and self._failure is None:
            self._ask(opened)

    async def settled(self) -> None:
        """Wait until the session has all that was fed.

        Raises:
            VadError: the detectors failed; the connection is of no more use.
        """
        if not self._done.is_set():
            await self._done.wait()
        if self._failure is not None:
            raise self._failure

    async def drain(self, opened: Opened) -> None:
        """No frame comes any more: take what a container still held, and settle.

        Raises:
            MediaError: the container holds no audio.
            VadError: the detectors failed.
        """
        if self._container is not None:
            await self._feed_all(opened, self._container.finish())
        await self.settled()

    def finish(self, opened: Opened) -> None:
        """The last samples, which were still inside the resampler; everything else must have settled."""
        opened.session.audio(opened.audio.finish(), [])

    def close(self) -> None:
        """The connection is over: nobody waits for votes any more."""
        if self._asked is not None:
            self._asked.cancel()

    async def end(self) -> None:
        """The same where a container may be open."""
        self.close()
        if self._container is not None:
            await self._container.close()

    async def _feed_all(self, opened: Opened, blocks: AsyncIterator[bytes]) -> None:
        """However much a few bytes hold, it is taken as slowly as if it had been sent as samples."""
        async for block in blocks:
            self.feed(opened, block)
            await self.settled()
            await opened.session.room()

    def _ask(self, opened: Opened) -> None:
        self._state.listening = not opened.session.core.silent
        samples = self._waiting[0] if len(self._waiting) == 1 else np.concatenate(self._waiting)
        self._waiting.clear()
        self._behind = 0
        answer = self._vad.analyse(self._state, samples)
        if answer.done():
            opened.session.audio(samples, [])
            return
        self._asked = answer
        self._done.clear()
        opened.session.analysing = True
        answer.add_done_callback(partial(self._voted, opened, samples))

    def _voted(self, opened: Opened, samples: NDArray[np.int16], answer: asyncio.Future[list[ChunkVote]]) -> None:
        self._asked = None
        opened.session.analysing = False
        if answer.cancelled():
            return
        try:
            opened.session.audio(samples, [self._judge(vote) for vote in answer.result()])
            if self._waiting:
                self._ask(opened)
        except Exception as error:  # noqa: BLE001 - raised again where the connection waits for it
            self._failure = error
        if self._asked is None:
            self._done.set()
        if self._failure is not None:
            self._on_failure()

    def _declare(self, opened: Opened) -> None:
        """A WAV header or a legacy frame may have said rate and channels: whoever takes over must know."""
        audio, session = opened.audio, opened.session
        declared = {"sample_rate": str(audio.format.sample_rate), "channels": str(audio.format.channels)}
        if any(session.core.fields.get(name) != value for name, value in declared.items()):
            session.core.fields |= declared
            session.do([Save(declared)])

    def _judge(self, vote: ChunkVote) -> Vote:
        sustain = self._rule.agree(vote, active=True)
        soft = sustain or vote.silero > self._rule.hold * SOFT_SHARE
        return _VOTES[self._rule.agree(vote, active=False), sustain, soft, vote.faint]
