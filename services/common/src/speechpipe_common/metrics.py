"""Prometheus conventions and the metrics that every worker has.

Names begin with ``speechpipe_`` and carry base units (``_seconds``, ``_bytes``); counters end in ``_total``. A process
has one registry, which its health server shows.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge

PREFIX: Final = "speechpipe_"

HandedBack = Literal["stopping", "failed", "unsettled", "redis"]
"""Why a job went back to the group: the worker stops, its handler raised or left it, or Redis was away."""


class ConsumerMetrics:
    """What a consumer of job streams counts; ``stream`` is the stream's full name."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(PREFIX + name, text, labels, registry=registry)

        self._claimed = counter("jobs_claimed", "Jobs read for the first time.", "stream")
        self._redelivered = counter("jobs_redelivered", "Jobs taken over from a worker that left them.", "stream")
        self._settled = counter("jobs_settled", "Jobs acknowledged, by what became of them.", "stream", "outcome")
        self._handed_back = counter("jobs_handed_back", "Jobs left to be delivered again.", "stream", "reason")
        self._lost = counter("jobs_lost", "Jobs that a peer took over while they were worked on here.", "stream")
        self._busy = counter("worker_busy_seconds", "Seconds spent handling jobs, summed over parallel batches.")
        self._in_flight = Gauge(PREFIX + "jobs_in_flight", "Jobs held by this process.", registry=registry)

    def claimed(self, stream: str, count: int) -> None:
        """``count`` new jobs were read."""
        self._claimed.labels(stream).inc(count)

    def redelivered(self, stream: str) -> None:
        """A job was taken over."""
        self._redelivered.labels(stream).inc()

    def settled(self, stream: str, outcome: str) -> None:
        """A job was acknowledged; ``outcome`` is the store's, or ``dropped``. Handlers report what they settle."""
        self._settled.labels(stream, outcome).inc()

    def handed_back(self, stream: str, reason: HandedBack, count: int) -> None:
        """``count`` jobs were given back to the group."""
        self._handed_back.labels(stream, reason).inc(count)

    def lost(self, stream: str, count: int) -> None:
        """``count`` jobs in work are now a peer's."""
        self._lost.labels(stream).inc(count)

    def in_flight(self, count: int) -> None:
        """``count`` jobs are held at this moment."""
        self._in_flight.set(count)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Count the time inside the block as busy."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._busy.inc(time.monotonic() - began)


class LinkMetrics:
    """What a process counts about its connection to Redis."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._up = Gauge(PREFIX + "redis_up", "1 while Redis answers.", registry=registry)
        self._failures = Counter(PREFIX + "redis_failures", "Attempts that found Redis away.", registry=registry)
        self._reconnects = Counter(PREFIX + "redis_reconnects", "Times that Redis came back.", registry=registry)
        self._up.set(1)

    def failed(self) -> None:
        """An attempt found Redis away."""
        self._up.set(0)
        self._failures.inc()

    def regained(self) -> None:
        """Redis answers again."""
        self._up.set(1)
        self._reconnects.inc()


def snapshot(registry: CollectorRegistry) -> dict[str, float]:
    """Every Speechpipe metric summed over its labels, without prefix and ``_total``; for ``/health``."""
    sums: dict[str, float] = {}
    for family in registry.collect():
        for sample in family.samples:
            if not sample.name.startswith(PREFIX) or sample.name.endswith(("_bucket", "_created")):
                continue
            name = sample.name.removeprefix(PREFIX).removesuffix("_total")
            sums[name] = sums.get(name, 0.0) + sample.value
    return sums
