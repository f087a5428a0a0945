"""The results of sessions for those who only read: one look into Redis for all readers of a session."""

import asyncio
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from redis.exceptions import RedisError

from speechpipe_common.logs import get_logger
from speechpipe_common.messages import MessageError
from speechpipe_common.store import ResumeDeniedError, SessionStore
from speechpipe_gateway.captions import Feed
from speechpipe_gateway.live.shards import Shards

LOOK_SECONDS: Final = 0.25
"""How often a session that is read is looked at; it is driven by any gateway, so nothing here hears of its results."""

ASKING_AT_ONCE: Final = 16
"""Who asks has shown nothing yet: many of them at once must not take Redis' connections from those who speak."""

AWAY_SECONDS: Final = 120.0
"""How long a client may be away with nothing owed before its captions end: twice what clients try to come back for."""

LOST_SECONDS: Final = 2.0
"""How long to wait before the next look while Redis is away."""

log = get_logger(__name__)


class UnknownCaptionsError(Exception):
    """There is no such session (any more), or that is not its token: who asks must not learn which."""


class TooManyReadersError(Exception):
    """This process has as many readers as it may have."""


class FeedsAwayError(Exception):
    """Redis does not answer."""


class Feeds:
    """Those of this process.

    Args:
        shards: where sessions are.
        most: readers of all sessions at a time.
    """

    def __init__(self, shards: Shards, most: int) -> None:
        self._shards = shards
        self._most = most
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[Feed, asyncio.Task[None]] = {}
        self._closed = False
        self._asking = asyncio.Semaphore(ASKING_AT_ONCE)

    @property
    def readers(self) -> int:
        """How many there are."""
        return sum(feed.readers for feed in self._tasks)

    @asynccontextmanager
    async def open(self, client: str, token: str) -> AsyncIterator[Feed]:
        """The feed of a session, for one reader.

        Raises:
            UnknownCaptionsError: no such session, or not its token.
            TooManyReadersError: no place for another reader.
            FeedsAwayError: Redis does not answer, or this process is about to end.
        """
        store = await self._admit(client, token)
        if self._closed:
            raise FeedsAwayError
        if self.readers >= self._most:
            raise TooManyReadersError
        feed = self._feeds.get(client)
        if feed is None or feed.over:
            feed = self._feeds[client] = Feed()
            self._tasks[feed] = asyncio.create_task(follow(feed, store, client), name=f"captions {client}")
        feed.readers += 1
        try:
            yield feed
        finally:
            feed.readers -= 1
            if not feed.readers:
                self._tasks.pop(feed).cancel()
                if self._feeds.get(client) is feed:
                    del self._feeds[client]

    def close(self) -> None:
        """Nobody reads here any more: each file ends where it is."""
        self._closed = True
        for feed, task in self._tasks.items():
            task.cancel()
            feed.end()

    async def _admit(self, client: str, token: str) -> SessionStore:
        try:
            store = self._shards.of_token(token).store
            async with self._asking:
                kept = await store.captions_token(client)
        except ResumeDeniedError as error:
            raise UnknownCaptionsError from error
        except (RedisError, OSError) as error:
            raise FeedsAwayError from error
        if not kept or not hmac.compare_digest(kept.encode(), token.encode("utf-8", "surrogatepass")):
            raise UnknownCaptionsError
        return store


async def follow(feed: Feed, store: SessionStore, client: str) -> None:
    """Look into Redis for what a session says, until it is over."""
    clock = asyncio.get_running_loop().time
    cursor, seen_at = "0-0", clock()
    while not feed.over:
        try:
            # In this order: what is there once the session is over is all there will be.
            presence = await store.presence(client)
            found = [delivery async for delivery in store.replay(client, cursor)]
            cursor = found[-1].id if found else cursor
            if presence == "driven":
                seen_at = clock()
            await feed.add(found, over=presence == "over" or clock() - seen_at > AWAY_SECONDS)
            await asyncio.sleep(LOOK_SECONDS)
        except (RedisError, OSError) as error:
            log.debug("captions_wait", client=client, error=str(error))
            await asyncio.sleep(LOST_SECONDS)
        except MessageError as error:
            log.error("result_unreadable", client=client, error=str(error))
            feed.end()
