"""What the operator shows of each pipeline: its series come with its first numbers and go with it.

All carry ``namespace`` and ``pipeline`` of the pipeline, so a Prometheus has to scrape the operator with
``honorLabels: true``: its own namespace would take their place.
"""

from collections.abc import Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from speechpipe_operator.autoscaling.report import StageReport
from speechpipe_operator.observed import Observed
from speechpipe_operator.runtime.metric_names import OPERATOR

TRUTHS: Final = {"True": 1, "False": 0, "Unknown": -1}

_OF_PIPELINE: Final = ("namespace", "pipeline")
_OF_COMPONENT: Final = (*_OF_PIPELINE, "component")


class PipelineMetrics:
    """Of all pipelines."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._gauges: list[Gauge] = []

        def gauge(name: str, text: str, labels: tuple[str, ...] = _OF_COMPONENT) -> Gauge:
            made = Gauge(OPERATOR + name, text, labels, registry=registry)
            self._gauges.append(made)
            return made

        self._ready = gauge("ready_replicas", "Pods of a component that are ready.")
        self._wanted = gauge("spec_replicas", "Pods that a component's workload asks for.")
        self._unschedulable = gauge("unschedulable_pods", "Pods that the scheduler finds no node for.")
        self._condition = gauge(
            "pipeline_condition",
            "A condition of the pipeline's status: 1 True, 0 False, -1 Unknown.",
            (*_OF_PIPELINE, "condition"),
        )
        self._paused = gauge("pipeline_paused", "1 while spec.paused is true.", _OF_PIPELINE)
        self._desired = gauge("desired_replicas", "Workers that the autoscaler wants.")
        self._backlog = gauge("backlog_jobs", "Undelivered and pending finals of a stage.")
        self._work = gauge("backlog_audio_seconds", "Audio of the finals that wait or are in work, in seconds.")
        self._oldest = gauge("oldest_job_age_seconds", "Age of the oldest final that is not settled; 0 without any.")
        self._rate = gauge("arrival_ratio", "Seconds of audio that arrive in a second, as the autoscaler estimates.")
        self._speed = gauge("worker_speed_ratio", "Seconds of audio that a busy worker does in a second, as estimated.")
        self._trusted = gauge("backlog_trusted", "1 where the backlog was read and agrees with its checks, else 0.")
        self._decisions = Counter(
            f"{OPERATOR}decisions", "Decisions of the autoscaler.", ("component", "reason"), registry=registry
        )

    def observed(self, namespace: str, pipeline: str, observed: Observed) -> None:
        """What the cluster says of the pipeline's pods."""
        for workload in observed.workloads:
            labels = (namespace, pipeline, workload.component)
            stuck = sum(
                pod.unschedulable is not None and not pod.terminating for pod in observed.pods_of(workload.component)
            )
            self._ready.labels(*labels).set(workload.ready)
            self._wanted.labels(*labels).set(workload.desired)
            self._unschedulable.labels(*labels).set(stuck)

    def told(self, namespace: str, pipeline: str, status: Mapping[str, Any], *, paused: bool) -> None:
        """What the pipeline's status says, or is about to."""
        self._paused.labels(namespace, pipeline).set(int(paused))
        for condition in status.get("conditions", ()):
            self._condition.labels(namespace, pipeline, condition["type"]).set(TRUTHS[condition["status"]])

    def decided(self, namespace: str, pipeline: str, stage: StageReport) -> None:
        """The autoscaler has looked at a stage. What could not be read has no series: an old number would look new."""
        labels, decision, backlog = (namespace, pipeline, stage.component), stage.decision, stage.backlog
        self._desired.labels(*labels).set(decision.replicas)
        self._decisions.labels(stage.component, decision.reason).inc()
        self._trusted.labels(*labels).set(int(backlog is not None and backlog.trusted))
        if backlog is None:
            for gauge in (self._backlog, self._work, self._oldest, self._rate, self._speed):
                gauge.remove_by_labels(dict(zip(_OF_COMPONENT, labels, strict=True)))
            return
        self._backlog.labels(*labels).set(backlog.undelivered + backlog.pending)
        self._work.labels(*labels).set(max(0.0, backlog.arrived_work - backlog.done_work))
        self._oldest.labels(*labels).set(backlog.oldest_seconds)
        self._rate.labels(*labels).set(decision.rate)
        self._speed.labels(*labels).set(decision.speed)

    def forget(self, namespace: str, pipeline: str) -> None:
        """A pipeline is gone: its series go too."""
        for gauge in self._gauges:
            gauge.remove_by_labels({"namespace": namespace, "pipeline": pipeline})
