"""Drives one session core: carries its effects out in their order, and survives a Redis that comes and goes."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from speechpipe_common.logs import get_logger
from speechpipe_common.messages import Delivery
from speechpipe_common.store import FencedError, SessionStore
from speechpipe_common.tracing import Tracing
from speechpipe_common.wire import CLOSE_SERVER, CLOSE_TAKEN_OVER, AudioAck, Error
from speechpipe_gateway.live.outbox import Outbox
from speechpipe_gateway.live.traces import SegmentTraces
from speechpipe_gateway.live.writer import SessionWriter
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import (
    Close,
    Effect,
    Replay,
    Save,
    Send,
    SessionCore,
    Vote,
)

log = get_logger(__name__)

MAX_EFFECTS = 256
"""Effects waiting for Redis beyond which no audio is taken from the client."""


class LiveSession:
    """A session on this gateway, with or without a connection.

    Args:
        core: the session's state.
        store: its Redis.
        metrics: counters of this gateway.
        outbox: the connection's queue; replaced by None when the client has gone.
        deepest_queue: jobs waiting beyond which partials are shed.
        tracing: records the spans of its segments.
        on_end: called once when this gateway has nothing more to do with the session.
    """

    def __init__(
        self,
        core: SessionCore,
        store: SessionStore,
        metrics: GatewayMetrics,
        outbox: Outbox,
        *,
        deepest_queue: int,
        tracing: Tracing,
        on_end: Callable[["LiveSession"], None],
    ) -> None:
        self.core = core
        self.client = core.client
        self.outbox: Outbox | None = outbox
        self.listening = True
        """The connection is waiting for the client, not the client for us."""
        self.analysing = False
        """Audio of the client is with the detectors."""
        self.detached_at: float | None = None
        self._store = store
        self._metrics = metrics
        self._on_end = on_end
        self._traces = SegmentTraces(tracing, core.client)
        self._writer = SessionWriter(core, store, metrics, deepest_queue, self._traces)
        self._effects: deque[Effect] = deque()
        self._work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._drained = asyncio.Event()
        self._holds = 0
        self._released = 0
        self._held: list[Delivery] = []
        self._ended = False
        self._task = asyncio.create_task(self._run(), name=f"session {core.client}")

    # --- from the connection ---------------------------------------------------------------------------------------

    def audio(self, samples: NDArray[np.int16], votes: Sequence[Vote]) -> None:
        """Audio came, with the votes on its complete chunks."""
        if effects := self.core.audio(samples, votes, time.time()):
            self.do(effects)

    @property
    def has_room(self) -> bool:
        """More audio is wanted: neither Redis nor the workers are too far behind."""
        return self._ended or (len(self._effects) < MAX_EFFECTS and self.core.wants_audio)

    async def room(self) -> None:
        """Wait until there is."""
        while not self.has_room:
            self._room.clear()
            self.listening = False
            await self._room.wait()
        self.listening = True

    def do(self, effects: Sequence[Effect]) -> None:
        """Carry these out, after those that wait; what only the client is to hear goes at once."""
        now = time.time()
        for effect in effects:
            self._traces.saw(effect, now, heard=self.outbox is not None)
            if isinstance(effect, Send) and not isinstance(effect.message, AudioAck):
                self._send(effect)
            else:
                self._effects.append(effect)
        if self._effects:
            self._work.set()
        if not self._room.is_set() and self.has_room:
            self._room.set()

    def detach(self) -> None:
        """The client has gone; what is owed is still done, so that it finds it when it comes back."""
        self.outbox = None
        self.detached_at = time.time()
        self.tick()

    # --- from Redis ------------------------------------------------------------------------------------------------

    def deliver(self, delivery: Delivery) -> None:
        """A result came live; before and during a replay it waits, since what is replayed comes before it."""
        if self._holds != self._released:
            self._held.append(delivery)
        else:
            self._take(delivery)

    def hold(self) -> None:
        """Results may have been missed: keep those that come live until the next replay has filled the gap.

        Taken at once, they would move the cursor over what was missed, and no replay would look there again.
        """
        self._holds += 1

    def redis_returned(self) -> None:
        """Redis was away: restore the session, replay, and look at everything that is owed."""
        self.do([Save(self.core.fields), *self.core.redis_returned(time.time())])

    def fence(self, epoch: int) -> None:
        """Somebody owns the session at this epoch; if it is later than ours, let go."""
        if epoch > self.core.epoch:
            self._let_go()

    # --- from the clock --------------------------------------------------------------------------------------------

    def tick(self, *, late: bool = False) -> None:
        """Time passed; ``late``: more than it should have, without anything having been read."""
        if self._ended:
            return
        listening = self.listening and not late and not self.analysing and len(self._effects) < MAX_EFFECTS
        self.do(self.core.tick(time.time(), listening=listening))
        if self.detached_at is not None and self.core.ledger.settled and not self._effects:
            self.do([Close(1000, "the client has gone", finished=True)])

    async def idle(self) -> None:
        """Wait until everything asked for has been written."""
        while self._effects and not self._ended:
            self._drained.clear()
            await self._drained.wait()

    def heartbeat(self) -> None:
        """Tell the sweepers that this session has a gateway."""
        if not self._effects:
            self.do([Save({})])

    async def end(self) -> None:
        """Stop driving; what is not done is left to whoever takes the session over."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._finish()

    # --- effects ---------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        try:
            await self._drive()
        except Exception:
            # Whatever it is, the client must not wait for ever for what nobody does.
            self._metrics.errors.inc()
            log.exception("session_failed", client=self.client)
            if self.outbox is not None:
                text = "the session failed here; resume it"
                self.outbox.put(Error(code="internal", message=text, close=CLOSE_SERVER))
                self.outbox.close(CLOSE_SERVER, text)
            self._finish()

    async def _drive(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            while self._effects:
                effect = self._effects[0]
                try:
                    follow = await self._carry_out(effect)
                except FencedError:
                    self._let_go()
                    return
                self._effects.popleft()
                if isinstance(effect, Close) and self._close(effect):
                    return
                self.do(follow)
            self._drained.set()

    async def _carry_out(self, effect: Effect) -> list[Effect]:
        match effect:
            case Send():
                self._send(effect)
                return []
            case Replay():
                await self._writer.insist(self._replay)
                return []
        return await self._writer.write(effect)

    async def _replay(self) -> None:
        """Feed the core what came after its cursor, then what came live meanwhile, unless touch was lost again."""
        self.hold()
        hold = self._holds
        missed = [d async for d in self._store.replay(self.client, self.core.ledger.cursor)]
        for delivery in missed:
            self._take(delivery)
        if self._holds == hold:
            self._released = hold
            held, self._held = self._held, []
            for delivery in held:
                self._take(delivery)

    def _take(self, delivery: Delivery) -> None:
        self._metrics.results_forwarded.labels(type(delivery.body).__name__.lower()).inc()
        self.do(self.core.result(delivery, time.time()))

    def _send(self, effect: Send) -> None:
        message = effect.message
        if isinstance(message, AudioAck):
            # It has waited for Redis, and results were sent meanwhile: its cursor must not lead back behind them.
            message = msgspec.structs.replace(message, cursor=self.core.ledger.cursor)
        if self.outbox is not None:
            self._metrics.captions.sent(message, effect.waited)
            self.outbox.say(message, self.core.ledger.segments)

    def _close(self, effect: Close) -> bool:
        if self.outbox is not None:
            self.outbox.close(effect.code, effect.reason)
        self._finish()
        return True

    def _let_go(self) -> None:
        """Another gateway owns the session."""
        if self._ended:
            return
        log.info("session_taken_over", client=self.client, epoch=self.core.epoch)
        self._metrics.sessions_fenced.inc()
        if self.outbox is not None:
            text = "the session goes on over another connection"
            self.outbox.put(Error(code="taken_over", message=text, close=CLOSE_TAKEN_OVER))
            self.outbox.close(CLOSE_TAKEN_OVER, text)
        self._finish()
        self._task.cancel()

    def _finish(self) -> None:
        if not self._ended:
            self._ended = True
            self._traces.close()
            self._room.set()
            self._drained.set()
            self._on_end(self)
