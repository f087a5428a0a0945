"""Prometheus conventions and the metrics that every worker has.

Names begin with ``speechpipe_`` and carry base units (``_seconds``, ``_bytes``); counters end in ``_total``. A process
has one registry, which its health server shows.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

PREFIX: Final = "speechpipe_"

HandedBack = Literal["stopping", "failed", "unsettled", "redis"]
"""Why a job went back to the group: the worker stops, its handler raised or left it, or Redis was away."""

WAIT_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


def process_registry() -> CollectorRegistry:
    """A registry that shows the process itself: memory, CPU time, open files, Python's version and collector."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


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
        self._wait = Histogram(
            PREFIX + "job_wait_seconds",
            "Seconds from a job's submission until a worker began with it, by the clocks of both machines.",
            ["stream"],
            buckets=WAIT_BUCKETS,
            registry=registry,
        )

    def expect(self, streams: Iterable[str]) -> None:
        """Show these streams at 0 from the beginning: a counter that begins at 1 has no increase for Prometheus."""
        for stream in streams:
            for metric in (self._claimed, self._redelivered, self._lost, self._wait):
                metric.labels(stream)
            self._settled.labels(stream, "buried")
            for reason in get_args(HandedBack):
                self._handed_back.labels(stream, reason)

    def waited(self, stream: str, seconds: float) -> None:
        """A job has waited for so long; less than 0, from clocks that differ, counts as 0."""
        self._wait.labels(stream).observe(max(0.0, seconds))

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
