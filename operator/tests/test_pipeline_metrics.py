"""What the operator shows of pipelines: numbers that are true now, and none of what is gone or can't be read."""

from prometheus_client import CollectorRegistry

from speechpipe_operator.autoscaling.report import StageReport
from speechpipe_operator.autoscaling.types import Backlog, Decision
from speechpipe_operator.observed import Observed, PodState, WorkloadState
from speechpipe_operator.runtime.metrics import OperatorMetrics

STT = {"namespace": "speech", "pipeline": "voice", "component": "stt"}
BACKLOG = Backlog(
    undelivered=3,
    pending=2,
    partials=9,
    oldest_seconds=7.5,
    arrived_work=100.0,
    arrived_jobs=50,
    done_work=60.0,
    busy_seconds=20.0,
)
DECISION = Decision(4, "Backlog", "", rate=1.5, speed=3.0)


def pod(name: str, unschedulable: str | None = None) -> PodState:
    """A pod of the STT workers."""
    return PodState(
        name, name, "stt", "1", None, "Pending", ready=False, scheduled=False, created=0, unschedulable=unschedulable
    )


def sample(metrics: OperatorMetrics, name: str, **labels: str) -> float | None:
    """A number that the process shows."""
    return metrics.registry.get_sample_value(f"speechpipe_operator_{name}", labels)


def test_a_stage_shows_what_its_decision_was_made_of():
    """Jobs, audio, age, estimates and trust."""
    metrics = OperatorMetrics(CollectorRegistry())
    metrics.of_pipelines.decided("speech", "voice", StageReport("stt", DECISION, BACKLOG))
    names = (
        "desired_replicas",
        "backlog_jobs",
        "backlog_audio_seconds",
        "oldest_job_age_seconds",
        "arrival_ratio",
        "worker_speed_ratio",
        "backlog_trusted",
    )
    assert [sample(metrics, name, **STT) for name in names] == [4, 5, 40, 7.5, 1.5, 3, 1]
    assert sample(metrics, "decisions_total", component="stt", reason="Backlog") == 1


def test_a_backlog_that_cannot_be_read_has_no_number():
    """The last one would look like one of now; that the scaler is blind is a number of its own."""
    metrics = OperatorMetrics(CollectorRegistry())
    metrics.of_pipelines.decided("speech", "voice", StageReport("stt", DECISION, BACKLOG))
    blind = Decision(4, "Hold", "", valid=False)
    metrics.of_pipelines.decided("speech", "voice", StageReport("stt", blind, None, "Redis is away"))
    assert sample(metrics, "backlog_jobs", **STT) is None
    assert sample(metrics, "oldest_job_age_seconds", **STT) is None
    assert (sample(metrics, "desired_replicas", **STT), sample(metrics, "backlog_trusted", **STT)) == (4, 0)


def test_pods_and_conditions_are_numbers():
    """Ready, wanted and stuck pods by component; conditions as 1, 0 and -1; whether it is paused."""
    metrics = OperatorMetrics(CollectorRegistry())
    workload = WorkloadState("Deployment", "voice-stt", "stt", "u", "1", 3, 1, 1, ready=1)
    observed = Observed((workload,), (pod("a"), pod("b", "0/3 nodes are available"), pod("c", "0/3 nodes")))
    metrics.of_pipelines.observed("speech", "voice", observed)
    numbers = [sample(metrics, n, **STT) for n in ("ready_replicas", "spec_replicas", "unschedulable_pods")]
    assert numbers == [1, 3, 2]
    truths = {"Ready": "True", "LagTrusted": "False", "ScalingActive": "Unknown"}
    status = {"conditions": [{"type": kind, "status": truth} for kind, truth in truths.items()]}
    metrics.of_pipelines.told("speech", "voice", status, paused=True)
    of = {"namespace": "speech", "pipeline": "voice"}
    assert [sample(metrics, "pipeline_condition", condition=kind, **of) for kind in truths] == [1, 0, -1]
    assert sample(metrics, "pipeline_paused", **of) == 1


def test_a_pipeline_that_is_gone_takes_its_series_along_and_no_others():
    """Nothing of it is shown any more; its neighbour of the same name in another namespace stays."""
    metrics = OperatorMetrics(CollectorRegistry())
    for namespace in ("speech", "other"):
        metrics.of_pipelines.decided(namespace, "voice", StageReport("stt", DECISION, BACKLOG))
        metrics.of_pipelines.told(
            namespace, "voice", {"conditions": [{"type": "Ready", "status": "True"}]}, paused=False
        )
    metrics.of_pipelines.forget("speech", "voice")
    shown = {
        (sample.name, sample.labels["namespace"])
        for family in metrics.registry.collect()
        for sample in family.samples
        if "pipeline" in sample.labels
    }
    assert {namespace for _, namespace in shown} == {"other"}
    assert ("speechpipe_operator_desired_replicas", "other") in shown
    assert ("speechpipe_operator_pipeline_condition", "other") in shown


def test_refusals_are_counted_from_zero():
    """Every reason that a problem can have is there before the first problem."""
    metrics = OperatorMetrics(CollectorRegistry())
    assert sample(metrics, "errors_total", reason="Forbidden") == 0
    assert sample(metrics, "errors_total", reason="StatusNotWritten") == 0
    assert sample(metrics, "reconciles_total", result="failed") == 0
    assert sample(metrics, "lease_state", state="active") == 0
