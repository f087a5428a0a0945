"""Knative's pod autoscaler (KPA): concurrency over a stable and a panic window.

Sources: https://knative.dev/docs/serving/autoscaling/kpa-specific/, .../concurrency/, .../scale-to-zero/, and
knative/serving ``pkg/autoscaler/scaling/autoscaler.go`` (``Scale``), ``multiscaler.go`` (a tick of 2 s),
``pkg/reconciler/autoscaling/kpa/scaler.go`` (``handleScaleToZero``). Concurrency is every request that is in the
system, those that wait in the activator too; here, jobs that wait or are held. One value a second, as its collectors
keep.
"""

from collections import deque
from dataclasses import dataclass
from math import ceil, floor
from typing import Final

from speechpipe_operator.simulate.scaler import Sample

BUCKET_SECONDS: Final = 1.0
TICK_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class KpaConfig:
    """``config-autoscaler`` and annotations of one revision; the defaults are Knative's, but for the concurrency.

    Its default target of 100 is for web servers; a worker does one job at a time, so that 1 stands for it here.
    """

    concurrency: float = 1.0
    """``autoscaling.knative.dev/target``: jobs for each worker."""
    utilization: float = 0.7
    """``target-utilization-percentage``."""
    min_replicas: int = 0
    max_replicas: int = 100
    stable_seconds: float = 60.0
    panic_share: float = 0.1
    """``panic-window-percentage``: 6 s of 60 s."""
    panic_threshold: float = 2.0
    max_up_rate: float = 1000.0
    max_down_rate: float = 2.0
    scale_down_delay: float = 0.0
    grace_seconds: float = 30.0
    """``scale-to-zero-grace-period``: an upper bound there, taken in full here."""


class Kpa:
    """The autoscaler of one revision."""

    def __init__(self, config: KpaConfig) -> None:
        self._config = config
        self._seen: deque[float] = deque(maxlen=round(config.stable_seconds / BUCKET_SECONDS))
        self._panic_buckets = max(1, round(config.stable_seconds * config.panic_share / BUCKET_SECONDS))
        self._panic_since: float | None = None
        self._panic_most = 0
        self._delayed: deque[tuple[float, int]] = deque()
        self._idle_since: float | None = None
        self._next_tick = 0.0

    @property
    def panicking(self) -> bool:
        """In panic mode."""
        return self._panic_since is not None

    def look(self, sample: Sample) -> tuple[int, float]:
        """Each second one value; each second second a decision."""
        self._seen.append(float(sample.waiting + sample.held))
        if sample.now < self._next_tick:
            return sample.desired, BUCKET_SECONDS
        self._next_tick = sample.now + TICK_SECONDS
        wanted = self._delay(sample.now, self._scaled(sample))
        wanted = min(max(wanted, self._config.min_replicas), self._config.max_replicas)
        return self._last_one(sample, wanted), BUCKET_SECONDS

    def _scaled(self, sample: Sample) -> int:
        config, ready = self._config, max(1, sample.ready)
        target = config.concurrency * config.utilization
        recent = list(self._seen)[-self._panic_buckets :]
        by_stable = ceil(sum(self._seen) / len(self._seen) / target)
        by_panic = ceil(sum(recent) / len(recent) / target)
        highest, lowest = ceil(config.max_up_rate * ready), floor(ready / config.max_down_rate)
        stable, panic = (min(max(number, lowest), highest) for number in (by_stable, by_panic))
        if by_panic / ready >= config.panic_threshold:
            self._panic_since = sample.now
        elif self._panic_since is not None and self._panic_since + config.stable_seconds < sample.now:
            self._panic_since, self._panic_most = None, 0
        if self._panic_since is None:
            return stable
        self._panic_most = max(self._panic_most, stable, panic)
        return self._panic_most

    def _delay(self, now: float, wanted: int) -> int:
        """The highest number of the ``scale-down-delay``."""
        if self._config.scale_down_delay <= 0:
            return wanted
        while self._delayed and self._delayed[0][0] <= now - self._config.scale_down_delay:
            self._delayed.popleft()
        self._delayed.append((now, wanted))
        return max(number for _, number in self._delayed)

    def _last_one(self, sample: Sample, wanted: int) -> int:
        """The last worker stays for the grace period after the stable window saw nothing."""
        if wanted > 0 or sample.desired == 0:
            self._idle_since = None
            return wanted
        if self._idle_since is None:
            self._idle_since = sample.now
        return 0 if sample.now - self._idle_since >= self._config.grace_seconds else 1
