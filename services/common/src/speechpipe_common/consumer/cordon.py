"""Standing aside: a worker that is to go takes no more jobs, and says when it has stopped taking them."""

import time
from typing import Final

from redis.exceptions import OutOfMemoryError

from speechpipe_common.consumer.delivery import DeliveryPolicy, may_claim
from speechpipe_common.consumer.group import Group
from speechpipe_common.consumer.link import RedisLink

LOOK_SECONDS: Final = 1.0
"""Between two looks."""


class Cordon:
    """Whether this worker may take jobs, looked up once a second at most."""

    def __init__(self, group: Group, link: RedisLink, policy: DeliveryPolicy) -> None:
        self._group = group
        self._link = link
        self._policy = policy
        self._look_at = 0.0

    async def holds(self) -> bool:
        """True: take nothing, and ask again in a second.

        To be called between two reads, so that ``seen`` with nothing pending means that nothing will be pending. After
        an outage, a read that was given up here may still wait in the server: nothing is said until it can't.

        Raises:
            redis.RedisError: Redis is away.
        """
        now = time.monotonic()
        if now < self._look_at:
            return False
        if not await self._group.is_cordoned():
            self._look_at = now + LOOK_SECONDS
            return False
        if not may_claim(now, self._link.regained_at, self._policy):
            return True
        try:
            return await self._group.say_cordon_seen()
        except OutOfMemoryError:  # it goes on standing aside, unheard
            return True
