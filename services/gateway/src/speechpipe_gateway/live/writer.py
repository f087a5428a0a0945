"""What one session writes to Redis, however often Redis has to be tried."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from redis.exceptions import RedisError

from speechpipe_common.consumer.delivery import is_away
from speechpipe_common.logs import get_logger
from speechpipe_common.store import SessionLostError, SessionStore
from speechpipe_gateway.live.traces import SegmentTraces
from speechpipe_gateway.live.uploader import AudioGoneError, Uploader
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session import Close, Effect, Promote, Release, Save, SessionCore, Submit, SubmitText

log = get_logger(__name__)

BACKOFF_SECONDS: Final = (0.05, 2.0)
"""First and longest wait before Redis is tried again."""

_T = TypeVar("_T")


class SessionWriter:
    """Carries the effects of one core out in Redis.

    Args:
        core: whose effects they are; hears what became of each.
        store: where to.
        metrics: counters of this gateway.
        deepest_queue: jobs waiting beyond which partials are shed.
        traces: knows which span a job follows from.
    """

    def __init__(
        self,
        core: SessionCore,
        store: SessionStore,
        metrics: GatewayMetrics,
        deepest_queue: int,
        traces: SegmentTraces,
    ) -> None:
        self._core = core
        self._store = store
        self._metrics = metrics
        self._deepest = deepest_queue
        self._traces = traces
        self._uploader = Uploader(store, core.client, core.epoch, core.tape)

    async def write(self, effect: Effect) -> list[Effect]:
        """Write an effect; returns what follows from it. A partial that nobody waits for any more is not written.

        Raises:
            FencedError: another gateway owns the session.
        """

        async def attempt() -> list[Effect]:
            return [] if _stale(effect) else await self._attempt(effect)

        return await self.insist(attempt)

    async def insist(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Repeat a call that may be repeated until Redis has answered, restoring the session where Redis lost it.

        Raises:
            FencedError: another gateway owns the session.
            redis.RedisError: one that waiting does not mend (no permission, a key of another type).
        """
        wait = BACKOFF_SECONDS[0]
        while True:
            try:
                return await call()
            except SessionLostError:
                await self._restore()
            except (RedisError, OSError) as error:
                self._metrics.redis_errors.inc()
                if not is_away(error):
                    raise
                if wait == BACKOFF_SECONDS[0]:
                    log.warning("redis_write_failed", client=self._core.client, error=str(error))
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(wait * 2, BACKOFF_SECONDS[1])

    async def _restore(self) -> None:
        core = self._core
        try:
            await self._store.open(core.client, core.epoch, time.time(), core.fields, sorted(core.ledger.delivered))
            self._metrics.sessions_restored.inc()
        except (RedisError, OSError):
            await asyncio.sleep(BACKOFF_SECONDS[0])

    async def _attempt(self, effect: Effect) -> list[Effect]:
        core, store = self._core, self._store
        match effect:
            case Submit():
                return await self._submit(effect)
            case SubmitText(job, previous, samples):
                deepest = 0 if job.final else self._deepest
                context = self._traces.context(job.segment)
                status, entry = await store.submit_text(job, core.epoch, previous, deepest, samples, context)
                if job.final:  # the first is the commit's of the final itself
                    self._metrics.jobs_resubmitted.labels("translation", status).inc()
                return core.text_submitted(job, status, entry)
            case Promote(segment, rev, record):
                return core.promoted(await store.promote(core.client, core.epoch, segment, rev, record))
            case Release(turn, blocks):
                await store.release(core.client, core.epoch, turn, blocks, leave=False)
            case Save(fields):
                await store.save(core.client, core.epoch, time.time(), fields)
            case Close(finished=True):
                await store.release(core.client, core.epoch, 0, (), leave=True)
        return []

    async def _submit(self, effect: Submit) -> list[Effect]:
        job = effect.job
        try:
            await self._uploader.ensure(job, mend=effect.mend)
        except AudioGoneError as error:
            log.warning("audio_awaited", client=job.client, segment=job.segment, error=str(error))
            return []
        deepest = self._deepest if job.kind == "partial" else 0
        status, entry = await self._store.submit_audio(
            job, effect.record, effect.previous, deepest, self._traces.context(job.segment)
        )
        self._metrics.jobs_published.labels(job.kind, status).inc()
        if effect.again:
            self._metrics.jobs_resubmitted.labels("final", status).inc()
        return self._core.submitted(job, status, entry)


def _stale(effect: Effect) -> bool:
    if isinstance(effect, Submit | SubmitText):
        return effect.job.expires_at is not None and effect.job.expires_at <= time.time()
    return False
