"""A cheap look at a stage at rest: three small commands say whether a whole read could find anything else.

A whole read costs a millisecond or two of the operator's time, most of it parsing; a thousand pipelines at rest would
keep a core busy with reading the same zeros.
"""

from redis.exceptions import RedisError

from speechpipe_operator.autoscaling.backlog import BacklogError
from speechpipe_operator.autoscaling.reading import Counters, Stage
from speechpipe_operator.autoscaling.redis_source import Shards
from speechpipe_operator.autoscaling.types import Backlog

COUNTERS = ("arrived_ms", "arrived_jobs", "done_ms", "busy_ms")


async def still_at_rest(shards: Shards, stage: Stage, backlog: Backlog) -> bool:
    """Whether nothing was there, nothing is, and nothing has been counted since ``backlog`` was read.

    Raises:
        BacklogError: a shard did not answer, or holds something else under one of these names.
    """
    if backlog.undelivered or backlog.pending or backlog.partials or not backlog.trusted:
        return False
    found = [0] * len(COUNTERS)
    try:
        for redis in shards:
            commands = redis.pipeline(transaction=False)
            commands.xlen(stage.finals)
            commands.xlen(stage.partials)
            commands.hmget(stage.load, COUNTERS)
            finals, partials, counters = await commands.execute()
            if finals or partials:
                return False
            found = [sum(pair) for pair in zip(found, (int(value or 0) for value in counters), strict=True)]
    except (RedisError, OSError) as error:
        raise BacklogError(f"{type(error).__name__}: {error}") from error
    return Counters(*found) == Counters(
        arrived_ms=round(backlog.arrived_work * 1000),
        arrived_jobs=backlog.arrived_jobs,
        done_ms=round(backlog.done_work * 1000),
        busy_ms=round(backlog.busy_seconds * 1000),
    )
