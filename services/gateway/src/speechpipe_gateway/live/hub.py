"""All sessions of one gateway on one Redis: results in, ticks, heartbeats, and coming back after an outage."""

import asyncio
import random
import time
from collections.abc import Awaitable
from contextlib import suppress
from typing import TypeVar

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from speechpipe_common.keys import Keys
from speechpipe_common.logs import get_logger
from speechpipe_common.messages import Delivery, MessageError, TakeoverNotice, decode
from speechpipe_common.metrics import LinkMetrics
from speechpipe_common.store import SessionStore
from speechpipe_gateway.live.session import LiveSession
from speechpipe_gateway.metrics import GatewayMetrics

T = TypeVar("T")
log = get_logger(__name__)

TICK_SECONDS = 0.1
HEARTBEAT_SECONDS = 5.0
LATE_TICKS = 3
"""After a longer pause the process got no CPU: audio waits in its sockets, and its clients are not silent."""
BEAT_SLOTS = round(HEARTBEAT_SECONDS / TICK_SECONDS)
SUBSCRIBE_SECONDS = 5.0
SETTLE_SECONDS = 5.0
PING_SECONDS = 1.0
"""How often a silent subscription is asked whether it is still there."""


class Hub:
    """The gateway's link to the results of one Redis.

    Args:
        redis: client used for the subscription; its socket timeout bounds how long a dead connection goes unseen.
        store: reads and writes of sessions.
        keys: names.
        metrics: counters.
        link: state of the connection.
        instance: this gateway's name; a channel of its own keeps the subscription from ever being empty.
        detached_seconds: how long a session without a client is driven; then the sweeper has it.
        shard: number of this Redis among those of the pipeline.
    """

    def __init__(
        self,
        redis: Redis,
        store: SessionStore,
        keys: Keys,
        metrics: GatewayMetrics,
        link: LinkMetrics,
        instance: str,
        *,
        detached_seconds: float,
        shard: int = 0,
    ) -> None:
        self.sessions: dict[str, LiveSession] = {}
        self.connected = False
        self._redis = redis
        self._store = store
        self._keys = keys
        self._metrics = metrics
        self._link = link
        self._shard = shard
        self._detached_seconds = detached_seconds
        self._own_channel = f"{keys.prefix}gateway:{instance}"
        self._pubsub: PubSub | None = None
        self._confirmed: dict[str, asyncio.Event] = {}
        self._unheard = asyncio.Event()

    async def add(self, session: LiveSession) -> None:
        """Take a session in: after this its results arrive. A subscription that fails is made on reconnection.

        One that this gateway has already under the same id is an older epoch of it, and is let go.
        """
        before = self.sessions.get(session.client)
        if before is not None:
            before.fence(session.core.epoch)
        self._metrics.sessions.inc(session.client not in self.sessions)
        self.sessions[session.client] = session
        await self._subscribe(self._keys.results(session.client))

    async def settle(self, client: str) -> None:
        """Let what an older connection's session has under way reach Redis, so that whoever resumes it finds it there.

        Not for ever: what is missing then, the client is asked for again.
        """
        before = self.sessions.get(client)
        if before is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(SETTLE_SECONDS):
                    await before.idle()

    def remove(self, session: LiveSession) -> None:
        """The session has ended here."""
        if self.sessions.get(session.client) is session:
            del self.sessions[session.client]
            self._metrics.sessions.dec()

    async def run(self) -> None:
        """Listen for ever; whenever Redis was away, subscribe and replay everything."""
        wait = 0.1
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                if self.connected:
                    log.warning("redis_lost", shard=self._shard, error=str(error), sessions=len(self.sessions))
                    # Idle connections are dead as well: a session that begins later would be given one.
                    await self._redis.connection_pool.disconnect(inuse_connections=False)
                self.connected = False
                self._link.failed(self._shard)
            await asyncio.sleep(wait * random.uniform(0.5, 1.0))
            wait = 0.1 if self.connected else min(wait * 2, 2.0)

    async def tick(self) -> None:
        """Drive the clocks of all sessions for ever.

        Each session has a slot of the heartbeat's time, so that not all of them write to Redis at once.
        """
        last = round(time.monotonic() / TICK_SECONDS)
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = round(time.monotonic() / TICK_SECONDS)
            passed, late = slots_passed(last, now), now - last > LATE_TICKS
            last = now
            for session in list(self.sessions.values()):
                await self._drive(session, due=hash(session.client) % BEAT_SLOTS in passed, late=late)
            if 0 in passed:
                await self._unsubscribe_ended()

    async def _drive(self, session: LiveSession, *, due: bool, late: bool) -> None:
        try:
            session.tick(late=late)
            if due:
                session.heartbeat()
                await self._drop_forsaken(session)
        except Exception:  # one session's failure must not end the gateway; a peer adopts what it owes
            log.exception("session_failed", client=session.client)
            await session.end()

    async def drain(self, seconds: float) -> None:
        """Let what is on its way to Redis get there, then leave the sessions to other gateways."""
        sessions = list(self.sessions.values())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(session.idle() for session in sessions))
        for session in sessions:
            await session.end()

    async def _drop_forsaken(self, session: LiveSession) -> None:
        if session.detached_at is not None and time.time() - session.detached_at > self._detached_seconds:
            await session.end()

    async def _listen(self) -> None:
        """One life of the subscription."""
        async with self._redis.pubsub() as pubsub:
            self._confirmed, self._unheard = {self._own_channel: asyncio.Event()}, asyncio.Event()
            await said(pubsub.subscribe(self._own_channel, *self._expect()))
            self._pubsub = pubsub
            late = self._expect()
            work = [asyncio.create_task(step) for step in (self._read(pubsub), self._come_back(), self._alarm())]
            try:
                if late:
                    await said(pubsub.subscribe(*late))
                done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
            finally:
                self._pubsub = None
                for task in work:
                    task.cancel()

    def _expect(self) -> list[str]:
        """Channels of sessions that are not subscribed to; until those are replayed, what comes on them is held."""
        channels = []
        for client, session in self.sessions.items():
            channel = self._keys.results(client)
            if channel not in self._confirmed:
                self._confirmed[channel] = asyncio.Event()
                session.hold()
                channels.append(channel)
        return channels

    async def _alarm(self) -> None:
        """Begin again when a channel was not confirmed: its session would hear nothing, for ever."""
        await self._unheard.wait()
        raise ConnectionError("a subscription was not confirmed")

    async def _come_back(self) -> None:
        """Once every channel is confirmed, no result can be missed any more: catch up with those that were."""
        async with asyncio.timeout(SUBSCRIBE_SECONDS):
            for confirmed in list(self._confirmed.values()):
                await confirmed.wait()
        for session in list(self.sessions.values()):
            session.redis_returned()
        if not self.connected:
            self.connected = True
            self._link.regained(self._shard)
            log.info("redis_connected", shard=self._shard, sessions=len(self.sessions))

    async def _read(self, pubsub: PubSub) -> None:
        quiet_since = time.monotonic()
        while True:
            message = await said(pubsub.get_message(timeout=PING_SECONDS))
            if message is None:
                if time.monotonic() - quiet_since > 3 * PING_SECONDS:
                    raise ConnectionError("the subscription does not answer")
                await said(pubsub.ping())
                continue
            quiet_since = time.monotonic()
            self._take(message)

    def _take(self, message: dict[str, object]) -> None:
        kind, channel = message["type"], message["channel"]
        if kind == "subscribe" and isinstance(channel, bytes):
            self._confirmed.setdefault(channel.decode(), asyncio.Event()).set()
        elif kind == "message" and isinstance(channel, bytes):
            data = message["data"]
            client = channel.decode().removeprefix(self._keys.results(""))
            session = self.sessions.get(client)
            if session is not None and isinstance(data, bytes):
                self._deliver(session, data)

    def _deliver(self, session: LiveSession, data: bytes) -> None:
        try:
            if data.startswith(b'{"epoch":'):
                session.fence(decode(data, TakeoverNotice).epoch)
            else:
                session.deliver(decode(data, Delivery))
        except MessageError as error:
            log.error("result_unreadable", client=session.client, error=str(error))

    async def _subscribe(self, channel: str) -> None:
        pubsub = self._pubsub
        if pubsub is None:
            return
        confirmed = self._confirmed.setdefault(channel, asyncio.Event())
        try:
            await said(pubsub.subscribe(channel))
            async with asyncio.timeout(SUBSCRIBE_SECONDS):
                await confirmed.wait()
        except (RedisError, OSError, TimeoutError) as error:
            log.warning("subscribe_failed", error=str(error))
            self._unheard.set()

    async def _unsubscribe_ended(self) -> None:
        """Leave the channels of sessions that have ended."""
        pubsub = self._pubsub
        wanted = {self._own_channel, *(self._keys.results(client) for client in self.sessions)}
        gone = [channel for channel in self._confirmed if channel not in wanted]
        if pubsub is None or not gone:
            return
        for channel in gone:
            # First, so that a session that begins meanwhile waits for a confirmation of its own.
            del self._confirmed[channel]
        with suppress(RedisError, OSError):
            await said(pubsub.unsubscribe(*gone))


def slots_passed(last: int, now: int) -> set[int]:
    """Slots of the heartbeat between two ticks, numbered from any beginning: all of them after a long pause."""
    return {slot % BEAT_SLOTS for slot in range(last + 1, min(now, last + BEAT_SLOTS) + 1)}


async def said(command: Awaitable[T]) -> T:
    """Await a command of a subscription that another task may be closing.

    redis-py takes the parts of a connection away under the hands of whoever writes to it, which shows as an
    AttributeError of None (8.1: in about every second such meeting). Let out, it would end the gateway.

    Raises:
        ConnectionError: the subscription was closed meanwhile.
        RedisError: or otherwise as the command does.
    """
    try:
        return await command
    except AttributeError as error:
        raise ConnectionError("the subscription was closed meanwhile") from error
