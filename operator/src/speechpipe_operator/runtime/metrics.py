"""What the operator counts. Label values are few: kinds, verbs, codes, reasons; only the numbers in
``pipeline_metrics`` carry the name of a pipeline.
"""

from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_operator.observed import Refusal
from speechpipe_operator.runtime.metric_names import OPERATOR
from speechpipe_operator.runtime.pipeline_metrics import PipelineMetrics

SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

LeaseState = Literal["standby", "active", "lost"]
UNSAID: Final = ("StatusNotWritten", "EventNotWritten")
"""Problems besides those of children."""


class QueueMetrics:
    """Of one work queue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._added = Counter(f"{OPERATOR}queue_adds", "Wishes to look at a pipeline.", registry=registry)
        self._depth = Gauge(f"{OPERATOR}queue_depth", "Pipelines that wait for a worker.", registry=registry)
        self._oldest = Gauge(f"{OPERATOR}queue_oldest_seconds", "How long the first in line waits.", registry=registry)
        self._reconciles = Counter(f"{OPERATOR}reconciles", "Finished reconciles.", ["result"], registry=registry)
        self._seconds = Histogram(
            f"{OPERATOR}reconcile_seconds", "Duration of a reconcile.", buckets=SECONDS, registry=registry
        )
        for result in ("ok", "failed"):
            self._reconciles.labels(result)

    def added(self) -> None:
        """A key was added."""
        self._added.inc()

    def waits(self, depth: int, oldest: float) -> None:
        """So many keys wait, the first of them for so many seconds."""
        self._depth.set(depth)
        self._oldest.set(oldest)

    def worked(self, seconds: float, *, failed: bool) -> None:
        """A key was worked on."""
        self._reconciles.labels("failed" if failed else "ok").inc()
        self._seconds.observe(seconds)


class OperatorMetrics:
    """Of the whole process; ``registry`` is what ``/metrics`` shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(OPERATOR + name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(OPERATOR + name, text, labels, registry=registry)

        self.registry = registry
        self.queue = QueueMetrics(registry)
        self.of_pipelines = PipelineMetrics(registry)
        self._events = counter("watch_events", "Events that watches delivered.", "kind")
        self._retries = counter("watch_retries", "Lists and watches that the API server refused or did not answer.")
        self._requests = counter("api_requests", "Requests to the API server.", "verb", "kind", "code")
        self._errors = counter("errors", "Problems found while reconciling.", "reason")
        self._writes = counter("child_writes", "Children written or removed.", "action", "kind")
        self._lease = gauge("lease_state", "1 for what this process is: standby, active or lost.", "state")
        self._pipelines = gauge("pipelines", "SpeechPipelines that are known.")
        self._access = gauge("missing_access", "Kinds, verbs, namespaces or APIs that the operator lacks.")
        for reason in (*get_args(Refusal), *UNSAID):
            self._errors.labels(reason)
        for state in get_args(LeaseState):
            self._lease.labels(state)

    def event(self, kind: str) -> None:
        """A watch told of an object."""
        self._events.labels(kind).inc()

    def watch_retried(self) -> None:
        """A list or watch has to be tried again."""
        self._retries.inc()

    def request(self, verb: str, kind: str, code: int | str) -> None:
        """The API server answered; ``code`` is a status, or ``error`` where there was no answer."""
        self._requests.labels(verb, kind, str(code)).inc()

    def problem(self, reason: str) -> None:
        """A reconcile met a problem."""
        self._errors.labels(reason).inc()

    def wrote(self, action: str, kind: str) -> None:
        """A child was applied or pruned."""
        self._writes.labels(action, kind).inc()

    def lease(self, state: LeaseState) -> None:
        """What this process is now."""
        for name in get_args(LeaseState):
            self._lease.labels(name).set(1 if name == state else 0)

    def pipelines(self, count: int) -> None:
        """So many pipelines are known."""
        self._pipelines.set(count)

    def missing_access(self, count: int) -> None:
        """So many things are missing."""
        self._access.set(count)
