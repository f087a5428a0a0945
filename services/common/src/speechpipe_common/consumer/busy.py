"""How long a worker has been at work on finals, and its telling the group's counters."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Final

from redis.exceptions import RedisError

from speechpipe_common.consumer.delivery import is_away
from speechpipe_common.consumer.group import Group

REPORT_SECONDS: Final = 1.0


class BusyClock:
    """Wall time during which at least one batch of finals or candidates was being handled.

    Parallel batches do not add up: settled work divided by this is what one worker gets done while it has enough to do.
    Time in which only partials ran does not count, as their work does not either: a worker with nothing better to do
    takes more partials, and would look slower the more of it there were.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running = 0
        self._since = 0.0
        self._seconds = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """One batch is handled inside the block."""
        self._settle()
        self._running += 1
        try:
            yield
        finally:
            self._settle()
            self._running -= 1

    def take(self) -> int:
        """Whole milliseconds since the last call; the rest is kept for the next."""
        self._settle()
        taken = int(self._seconds * 1000)
        self._seconds -= taken / 1000
        return taken

    def give_back(self, milliseconds: int) -> None:
        """What was taken could not be written down."""
        self._seconds += milliseconds / 1000

    def _settle(self) -> None:
        now = self._clock()
        if self._running:
            self._seconds += now - self._since
        self._since = now


class BusyReport:
    """Adds to the group's counter what a worker's busy time has grown by.

    Args:
        group: whose counter.
        clock: the worker's; consumers of several Redis share one, and each moment is counted once, by any of them.
    """

    def __init__(self, group: Group, clock: BusyClock) -> None:
        self._group = group
        self._clock = clock

    def running(self, stream: str) -> AbstractContextManager[None]:
        """One batch of ``stream`` is handled inside the block."""
        return self._clock.running() if stream == self._group.streams[0] else nullcontext()

    async def run(self) -> None:
        """Report every second, for ever.

        Raises:
            redis.RedisError: one that waiting does not mend.
        """
        while True:
            await asyncio.sleep(REPORT_SECONDS)
            await self.send()

    async def send(self) -> None:
        """Report now. What can't be written is part of the next report: nothing waits for a counter."""
        grown = self._clock.take()
        if not grown:
            return
        try:
            await self._group.add_busy(grown)
        except (RedisError, OSError) as error:
            if not is_away(error):
                raise
            self._clock.give_back(grown)
