"""What is still on a Redis that is to go: sessions, those that can be resumed too, and jobs."""

import asyncio
from collections.abc import Sequence
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from speechpipe_common.keys import Keys
from speechpipe_operator.observed import Occupancy, ShardUse

LOOK_SECONDS: Final = 5.0
"""Longest that one look may take."""

PAGE: Final = 1000
MOST_PAGES: Final = 200
"""Keys gone through in one look; a Redis with more is in use, whatever they are."""


async def occupancy(shards: Sequence[Redis], first: int, keys: Keys, now: float) -> Occupancy:
    """Look at those from number ``first`` on; what can't be read is told, and counts as in use.

    Args:
        shards: all of the pipeline's, in their order.
        first: number of the first that is to go.
        keys: of the pipeline.
        now: when the look begins, on the clock that decides on the answer.
    """
    uses = []
    for number, redis in enumerate(shards[first:], first):
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                uses.append(await _look(number, redis, keys))
        except (RedisError, OSError, TimeoutError) as error:
            return Occupancy(now, tuple(uses), f"shard {number}: {type(error).__name__}: {error}")
    return Occupancy(now, tuple(uses))


async def _look(number: int, redis: Redis, keys: Keys) -> ShardUse:
    commands = redis.pipeline(transaction=False)
    commands.zcard(keys.sessions)
    for stream in (keys.audio_jobs, keys.audio_partials, keys.transcriptions, keys.text_partials):
        commands.xlen(stream)
    sessions, *jobs = await commands.execute()
    resumable = sessions > 0 or await _any_session(redis, keys)
    # A job that is acknowledged is deleted, so that the length counts those in hand as well.
    return ShardUse(number, int(sessions), sum(map(int, jobs)), resumable)


async def _any_session(redis: Redis, keys: Keys) -> bool:
    pattern, cursor = keys.session("*"), 0  # no prefix has a sign that means something in a pattern
    for _ in range(MOST_PAGES):
        cursor, found = await redis.scan(cursor, match=pattern, count=PAGE)
        if found:
            return True
        if cursor == 0:
            return False
    return True
