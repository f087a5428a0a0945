"""Cordons in Redis: a key for each worker that is to take no more jobs, which the worker itself answers."""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Final

from redis.exceptions import RedisError

from speechpipe_common.keys import Keys
from speechpipe_operator.autoscaling.backlog import BacklogError
from speechpipe_operator.autoscaling.crew import Cordon
from speechpipe_operator.autoscaling.redis_source import Shards

CORDON_SECONDS: Final = 60
"""A cordon that nobody renews ends by itself: so long may an operator be away before its victims work again."""

ASKED: Final = b"asked"
SEEN: Final = b"seen"


class Cordons:
    """The cordons of one stage, and since when this process has known each.

    Args:
        keys: of the pipeline.
        group: the stage's consumer group.
        clock: monotonic seconds.
    """

    def __init__(self, keys: Keys, group: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._group = group
        self._clock = clock
        self._since: dict[str, float] = {}

    @property
    def known(self) -> bool:
        """Whether the last look found any."""
        return bool(self._since)

    def standing_for(self, worker: str) -> float:
        """Seconds since a worker's cordon was first seen; 0 without one."""
        since = self._since.get(worker)
        return 0.0 if since is None else self._clock() - since

    async def read(self, shards: Shards, workers: Sequence[str]) -> dict[str, Cordon]:
        """Those of ``workers`` that are cordoned; ``seen`` only where they say so on every shard.

        Look at what they hold afterwards, not before: a worker takes its last job before it says that it takes none.

        Raises:
            BacklogError: a shard did not answer.
        """
        if not workers:
            self._since.clear()
            return {}
        names = [self._key(worker) for worker in workers]
        answers: list[list[bytes | None]] = [await _call(redis.mget(names)) for redis in shards]
        found: dict[str, Cordon] = {}
        for worker, values in zip(workers, zip(*answers, strict=True), strict=True):
            if any(values):
                found[worker] = "seen" if all(value == SEEN for value in values) else "asked"
        now = self._clock()
        self._since = {worker: self._since.get(worker, now) for worker in found}
        return found

    async def put(self, shards: Shards, workers: Iterable[str]) -> None:
        """Cordon workers, or renew their cordons; what they have answered stays.

        Raises:
            BacklogError: a shard did not answer, or is full.
        """
        for worker in workers:
            for redis in shards:
                if not await _call(redis.expire(self._key(worker), CORDON_SECONDS)):
                    await _call(redis.set(self._key(worker), ASKED, ex=CORDON_SECONDS, nx=True))
            self._since.setdefault(worker, self._clock())

    async def lift(self, shards: Shards, workers: Collection[str]) -> None:
        """Let workers take jobs again.

        Raises:
            BacklogError: a shard did not answer.
        """
        if not workers:
            return
        for redis in shards:
            await _call(redis.delete(*(self._key(worker) for worker in workers)))
        for worker in workers:
            self._since.pop(worker, None)

    def _key(self, worker: str) -> str:
        return self._keys.cordon(self._group, worker)


async def _call(command: Any) -> Any:  # noqa: ANN401 - a reply
    try:
        return await command
    except (RedisError, OSError) as error:
        raise BacklogError(f"Redis does not take or show cordons: {type(error).__name__}: {error}") from error
