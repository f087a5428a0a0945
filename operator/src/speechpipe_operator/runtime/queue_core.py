"""Which key is worked on next. Pure: the clock and the chance are passed in.

A key is a name of something to be brought to what it should be; adding it says "look again", never what to do. So a key
waits once however often it is added, is worked on by one worker at a time, and when it is added meanwhile it is worked
on once more (client-go's workqueue keeps the same rules).
"""

import heapq
import random
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before a key that failed is tried again: doubling from ``first`` to ``longest``, with jitter."""

    first: float = 0.5
    longest: float = 120.0
    jitter: float = 0.2
    """Share by which a delay may be shorter or longer."""

    def delay(self, failures: int, chance: Callable[[], float]) -> float:
        """Delay after so many failures in a row (1 or more); ``chance`` gives numbers in [0, 1)."""
        doubled: float = min(self.longest, self.first * 2 ** min(failures - 1, 32))
        return doubled * (1 + self.jitter * (2 * chance() - 1))


class QueueCore(Generic[K]):
    """Keys that wait, keys that are due later, keys that are being worked on. Times are seconds of a monotonic clock.

    Args:
        backoff: of keys that fail.
        chance: numbers in [0, 1) for jitter.
    """

    def __init__(self, backoff: Backoff | None = None, chance: Callable[[], float] = random.random) -> None:
        self._backoff = backoff or Backoff()
        self._chance = chance
        self._waiting: OrderedDict[K, float] = OrderedDict()  # key -> since when
        self._working: dict[K, float] = {}
        self._again: dict[K, float] = {}  # added while being worked on -> since when
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0
        self._failures: dict[K, int] = {}

    def add(self, key: K, now: float) -> None:
        """Look at ``key`` as soon as a worker is free; what was planned for later is dropped."""
        self._due.pop(key, None)
        if key in self._working:
            self._again.setdefault(key, now)
        else:
            self._waiting.setdefault(key, now)

    def add_at(self, key: K, when: float) -> None:
        """Look at ``key`` at ``when`` at the latest; the earliest of several such wishes counts."""
        if key in self._waiting or key in self._again or self._due.get(key, when + 1) <= when:
            return
        self._due[key] = when
        self._sequence += 1
        heapq.heappush(self._heap, (when, self._sequence, key))

    def take(self, now: float) -> K | None:
        """The key that has waited longest, now being worked on; None where nothing waits."""
        self._promote(now)
        if not self._waiting:
            return None
        key, _ = self._waiting.popitem(last=False)
        self._working[key] = now
        return key

    def done(self, key: K, now: float, *, failed: bool = False, again_in: float | None = None) -> None:
        """A worker has finished with ``key``.

        Args:
            key: what was taken.
            now: the time.
            failed: try again after a delay that grows with each failure in a row; a success ends the row.
            again_in: seconds after which a success is looked at again.
        """
        del self._working[key]
        since = self._again.pop(key, None)
        if failed:
            self._failures[key] = self._failures.get(key, 0) + 1
        else:
            self._failures.pop(key, None)
        if since is not None:
            self._waiting[key] = since
        elif failed:
            self.add_at(key, now + self._backoff.delay(self._failures[key], self._chance))
        elif again_in is not None:
            self.add_at(key, now + again_in)

    def forget(self, key: K) -> None:
        """What ``key`` stands for is gone: nothing about it is kept. A worker that has it may finish."""
        for table in (self._waiting, self._again, self._due, self._failures):
            table.pop(key, None)

    def next_at(self) -> float | None:
        """When the next key becomes due that does not wait yet; None: nothing is planned."""
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def failures(self, key: K) -> int:
        """How often ``key`` has failed in a row."""
        return self._failures.get(key, 0)

    def depth(self, now: float) -> int:
        """Keys that wait for a worker."""
        self._promote(now)
        return len(self._waiting) + len(self._again)

    def oldest(self, now: float) -> float:
        """Seconds that the first in line has waited; 0 where nobody waits."""
        since = min((*self._waiting.values(), *self._again.values()), default=now)
        return max(0.0, now - since)

    def longest_work(self, now: float) -> float:
        """Seconds that the slowest worker has been busy with its key; 0 where none is."""
        return max((now - began for began in self._working.values()), default=0.0)

    def _promote(self, now: float) -> None:
        while (when := self.next_at()) is not None and when <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._due[key]
            if key in self._working:
                self._again.setdefault(key, when)
            else:
                self._waiting.setdefault(key, when)
