"""Finalises what dead gateways left open and nobody came back for."""

import asyncio
import random
import time

from redis.exceptions import RedisError

from speechpipe_common.keys import BLOCK_SAMPLES
from speechpipe_common.logs import get_logger
from speechpipe_common.messages import AudioJob, SegmentRecord
from speechpipe_common.store import FencedError, SessionLostError, SessionStore, StoredSession
from speechpipe_gateway.metrics import GatewayMetrics
from speechpipe_gateway.session.jobs import REVS_PER_EPOCH

log = get_logger(__name__)

STALE_SECONDS = 20.0
"""Four heartbeats missed."""

SWEEP_SECONDS = 5.0
SWEEP_LIMIT = 50
"""Sessions looked at in one sweep, so that a crash of a full gateway is worked off evenly."""

LONGEST_BLOCKS = 1024
"""Blocks of a turn looked at for its length: 68 minutes."""


class Sweeper:
    """One on each gateway; a session is adopted atomically, so they do not get in each other's way."""

    def __init__(self, store: SessionStore, metrics: GatewayMetrics, instance: str) -> None:
        self._store = store
        self._metrics = metrics
        self._instance = instance

    async def run(self) -> None:
        """Sweep for ever, but not while Redis is or was just in trouble: heartbeats are late then, gateways alive."""
        healthy_since = time.monotonic()
        while True:
            await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.8, 1.2))
            try:
                await self._store.probe()
                if time.monotonic() - healthy_since >= STALE_SECONDS:
                    await self.sweep(time.time())
            except (RedisError, OSError) as error:
                healthy_since = time.monotonic()
                log.debug("sweep_failed", error=str(error))

    async def sweep(self, now: float) -> int:
        """Adopt the stale sessions and finalise their segments; returns how many sessions were adopted."""
        adopted = 0
        for client in await self._store.stale(now - STALE_SECONDS, SWEEP_LIMIT):
            try:
                adopted += await self._adopt(client, now)
            except (FencedError, SessionLostError):
                log.info("sweep_overtaken", client=client)
            except (RedisError, OSError):
                raise
            except Exception:  # one strange session must end neither the sweeps nor the gateway
                log.exception("sweep_of_session_failed", client=client)
        self._metrics.sessions_swept.inc(adopted)
        return adopted

    async def _adopt(self, client: str, now: float) -> int:
        """1 when the session was stale indeed, and is finalised; 0 when somebody else was first."""
        stored = await self._store.adopt(client, stale_before=now - STALE_SECONDS, now=now, owner=self._instance)
        if stored is None:
            return 0
        await self._finalise(client, stored, now)
        return 1

    async def _finalise(self, client: str, stored: StoredSession, now: float) -> None:
        """Submit a final for each open segment; when there is none, nobody needs to look again."""
        if not stored.segments:
            await self._store.release(client, stored.epoch, 0, (), leave=True)
            return
        log.info("session_swept", client=client, segments=len(stored.segments))
        for number, record in enumerate(stored.segments):
            end = record.end if record.end is not None else await self._reach(client, stored, number)
            if end <= record.start:
                continue
            job = AudioJob(
                client=client,
                epoch=stored.epoch,
                segment=record.start,
                rev=stored.epoch * REVS_PER_EPOCH + number,
                kind="final",
                turn=record.turn,
                start=record.start,
                end=end,
                language=record.language or stored.fields.get("language") or None,
                targets=record.targets,
                prompt=record.prompt,
                hotwords=record.hotwords,
                words=record.words,
                submitted_at=now,
            )
            closed = SegmentRecord(
                turn=record.turn,
                start=record.start,
                end=end,
                rev=job.rev,
                language=record.language,
                targets=record.targets,
                prompt=record.prompt,
                hotwords=record.hotwords,
                words=record.words,
            )
            await self._store.submit_audio(job, closed, "", 0)

    async def _reach(self, client: str, stored: StoredSession, number: int) -> int:
        """Where an unfinished segment ends: at the next one's start, or with the audio that Redis has."""
        record = stored.segments[number]
        following = stored.segments[number + 1 : number + 2]
        if following and following[0].turn == record.turn:
            return following[0].start
        # Blocks in front of this segment may have been released already.
        first = (record.start - record.turn) // BLOCK_SAMPLES
        length = await self._store.audio_length(client, record.turn, first, LONGEST_BLOCKS)
        return record.turn + first * BLOCK_SAMPLES + length
