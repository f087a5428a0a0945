"""What the operator counts. Label values are few: kinds, verbs, codes, reasons; only the numbers of the autoscaler
carry the name of a pipeline.
"""

from collections.abc import Iterable
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from speechpipe_common.metrics import PREFIX

OPERATOR: Final = f"{PREFIX}operator_"
SECONDS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

LeaseState = Literal["standby", "active", "lost"]


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
        self._events = counter("watch_events", "Events that watches delivered.", "kind")
        self._retries = counter("watch_retries", "Lists and watches that the API server refused or did not answer.")
        self._requests = counter("api_requests", "Requests to the API server.", "verb", "kind", "code")
        self._errors = counter("errors", "Problems found while reconciling.", "reason")
        self._writes = counter("child_writes", "Children written or removed.", "action", "kind")
        self._lease = gauge("lease_state", "1 for what this process is: standby, active or lost.", "state")
        self._pipelines = gauge("pipelines", "SpeechPipelines that are known.")
        self._access = gauge("missing_access", "Kinds, verbs, namespaces or APIs that the operator lacks.")
        of_stage = ("namespace", "pipeline", "component")
        self._backlog = gauge("backlog_jobs", "Undelivered and pending finals of a stage.", *of_stage)
        self._desired = gauge("desired_replicas", "Workers that the autoscaler wants.", *of_stage)
        self._decisions = counter("decisions", "Decisions of the autoscaler.", "component", "reason")

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
        for name in ("standby", "active", "lost"):
            self._lease.labels(name).set(1 if name == state else 0)

    def pipelines(self, count: int) -> None:
        """So many pipelines are known."""
        self._pipelines.set(count)

    def missing_access(self, count: int) -> None:
        """So many things are missing."""
        self._access.set(count)

    def backlog(self, namespace: str, pipeline: str, component: str, jobs: int) -> None:
        """What waits for a stage."""
        self._backlog.labels(namespace, pipeline, component).set(jobs)

    def decided(self, namespace: str, pipeline: str, component: str, replicas: int, reason: str) -> None:
        """The autoscaler has decided."""
        self._desired.labels(namespace, pipeline, component).set(replicas)
        self._decisions.labels(component, reason).inc()

    def forget(self, namespace: str, pipeline: str, components: Iterable[str]) -> None:
        """A pipeline is gone: its series go too."""
        for component in components:
            for gauge in (self._backlog, self._desired):
                try:
                    gauge.remove(namespace, pipeline, component)
                except KeyError:
                    continue  # never had a number
