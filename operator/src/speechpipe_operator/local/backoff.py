"""How long to wait before something that died is started again."""

from collections.abc import Callable
from dataclasses import dataclass
from random import random


@dataclass(frozen=True, slots=True)
class BackoffPolicy:
    """Seconds between restarts: ``first``, doubled up to ``longest``; ``first`` again after a run of ``well``."""

    first: float = 0.5
    longest: float = 30.0
    well: float = 30.0


class Backoff:
    """Counts failures in a row. Jitter takes up to half of each wait away, so that replicas don't restart in step."""

    def __init__(self, policy: BackoffPolicy, jitter: Callable[[], float] = random) -> None:
        self._policy = policy
        self._jitter = jitter
        self.failures = 0

    def next(self, ran: float) -> float:
        """Seconds to wait after a run that lasted ``ran`` seconds."""
        if ran >= self._policy.well:
            self.failures = 0
        # The exponent is capped because 2**1024 is no float; the wait is at its longest far earlier.
        wait = min(self._policy.longest, self._policy.first * float(2 ** min(self.failures, 32)))
        self.failures += 1
        return wait * (1 - self._jitter() / 2)
