"""Reads the backlog of a stage from Redis.

``undelivered = length - pending``: settled jobs are deleted in the script that acknowledges them, so a stream holds
what is undelivered or pending and nothing else. The group's ``lag`` says the same where it says anything: it is nil
most of the time while several workers acknowledge and delete, so it only serves as a check.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from speechpipe_operator.autoscaling.reading import Consumers, Counters, ShardReading, Stage, Stream, add_up
from speechpipe_operator.autoscaling.trust import Trust, judge
from speechpipe_operator.autoscaling.types import Backlog

READ_SECONDS: Final = 5.0
"""Longest that one read of all shards may take."""

_FORGET: Final = """
-- Deletes those consumers that hold nothing on this stream: deleting one that holds jobs would delete them too.
-- KEYS: stream   ARGV: group, consumers...   Returns the names that still hold jobs.
local held = {}
for i = 2, #ARGV do
  if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[i]) > 0 then
    held[#held + 1] = ARGV[i]
  else
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[i])
  end
end
return held
"""


class BacklogError(Exception):
    """The backlog is not known, which is not the same as empty; the message says which shard failed and how."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One read of a stage."""

    backlog: Backlog
    consumers: Consumers
    shards: tuple[ShardReading, ...]
    """What each said."""


async def read_backlog(shards: Sequence[Redis], stage: Stage, trust: Trust) -> tuple[Reading, Trust]:
    """Read a stage on all its shards, each in one transaction, and check the numbers.

    Args:
        shards: one client for each Redis, always in the same order.
        stage: names of the streams, the group and the counters.
        trust: as returned by the read before; ``Trust()`` at first.

    Raises:
        BacklogError: a shard did not answer, refused, or holds something else under one of these names.
    """
    reads = (_read(number, redis, stage) for number, redis in enumerate(shards))
    try:
        async with asyncio.timeout(READ_SECONDS):
            outcomes = await asyncio.gather(*reads, return_exceptions=True)
    except TimeoutError as error:
        raise BacklogError(f"Redis did not answer within {READ_SECONDS:g} s") from error
    answers = [_value(outcome) for outcome in outcomes]
    readings = tuple(reading for reading, _ in answers)
    verdict, trust = judge(trust, readings)
    consumers = Consumers()
    for _, replies in answers:
        consumers = consumers.with_replies(replies)
    return Reading(add_up(readings, verdict.trusted, verdict.doubt), consumers, readings), trust


async def forget_consumers(shards: Sequence[Redis], stage: Stage, gone: Collection[str]) -> set[str]:
    """Delete consumers whose workers are gone for good, wherever they hold nothing; each check is one with its delete.

    Args:
        shards: as for ``read_backlog``.
        stage: as for ``read_backlog``.
        gone: instance ids of workers whose pods do not exist any more. The caller knows that, not Redis: a worker that
            is only silent may come back.

    Returns:
        Those that hold jobs still and were kept for that: a peer will claim the jobs, then they can go.

    Raises:
        BacklogError: a shard did not answer or refused.
    """
    held: set[str] = set()
    for number, redis in enumerate(shards):
        for stream in (stage.finals, stage.partials):
            try:
                reply: Any = await redis.register_script(_FORGET)(keys=[stream], args=[stage.group, *gone])
            except ResponseError as error:
                if not _is_missing(error):
                    raise BacklogError(f"shard {number}: {error}") from error
            except (RedisError, OSError) as error:
                raise BacklogError(f"shard {number}: {error}") from error
            else:
                held.update(name.decode() for name in reply)
    return held


async def _read(number: int, redis: Redis, stage: Stage) -> tuple[ShardReading, list[Any]]:
    try:
        async with redis.pipeline(transaction=True) as commands:
            commands.time()
            commands.info("server")
            commands.hmget(stage.load, ["arrived_ms", "arrived_jobs", "done_ms", "busy_ms"])
            for stream in (stage.finals, stage.partials):
                commands.xinfo_stream(stream)
                commands.xinfo_groups(stream)
                commands.xpending(stream, stage.group)
                commands.xinfo_consumers(stream, stage.group)
            replies = await commands.execute(raise_on_error=False)
        time, server, load, *streams = [_present(reply) for reply in replies]
        reading = ShardReading(
            shard=number,
            run_id=server.get("run_id", ""),
            now_ms=time[0] * 1000 + time[1] // 1000,
            finals=Stream.of(streams[0], streams[1], streams[2], stage.group),
            partials=Stream.of(streams[4], streams[5], streams[6], stage.group),
            counters=Counters(*(int(count or 0) for count in load)),
        )
    except (RedisError, OSError, ValueError) as error:
        raise BacklogError(f"shard {number}: {type(error).__name__}: {error}") from error
    return reading, [*(streams[3] or ()), *(streams[7] or ())]


def _value(outcome: tuple[ShardReading, list[Any]] | BaseException) -> tuple[ShardReading, list[Any]]:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _present(reply: Any) -> Any:  # noqa: ANN401 - a reply
    """The reply; None for a stream or a group that is not there.

    Raises:
        RedisError: the reply is any other error.
    """
    if isinstance(reply, ResponseError) and _is_missing(reply):
        return None
    if isinstance(reply, Exception):
        raise reply
    return reply


def _is_missing(error: ResponseError) -> bool:
    return str(error).startswith(("no such key", "NOGROUP", "ERR no such key"))
