"""The status says what is wrong, in words, and is never better than the truth."""

from dataclasses import replace
from typing import Any

import pytest

from speechpipe_operator.autoscaling.report import ScalingReport, StageReport
from speechpipe_operator.autoscaling.types import Backlog, Decision
from speechpipe_operator.objects import Ref
from speechpipe_operator.observed import (
    ApplyProblem,
    ApplyReport,
    ClaimState,
    ContainerTrouble,
    Observed,
    PodState,
    WorkloadState,
)
from speechpipe_operator.plan import make_plan
from speechpipe_operator.spec import SpeechPipeline
from speechpipe_operator.status import Subject, invalid_status, make_status, transitions, worth_writing

NOW = 1_800_000_000.0
QUIET = Backlog(0, 0, 0, 0.0, 0.0, 0, 0.0, 0.0)


def subject(
    observed: Observed | None = None,
    report: ApplyReport | None = None,
    scaling: ScalingReport | None = None,
    **spec: Any,
) -> Subject:
    """A pipeline called ``p`` whose ``spec`` is extended by the arguments."""
    body = {"gateway": {"auth": {"mode": "none"}}, **spec}
    pipeline = SpeechPipeline.model_validate(
        {"apiVersion": "speechpipe.dev/v1alpha1", "kind": "SpeechPipeline", "metadata": {"name": "p"}, "spec": body}
    )
    return Subject(
        pipeline, make_plan(pipeline), observed or healthy(), report or ApplyReport(), scaling or ScalingReport()
    )


def workload(component: str, desired: int = 1, ready: int = 1, **more: Any) -> WorkloadState:
    """A workload of which ``ready`` pods are ready."""
    kind = "StatefulSet" if component == "redis" else "Deployment"
    state = WorkloadState(
        kind,
        f"p-{component}",
        component,
        "uid",
        "1",
        desired,
        generation=1,
        observed_generation=1,
        updated=desired,
        ready=ready,
        available=ready,
        existing=desired,
    )
    return replace(state, **more)


def pod(component: str, number: int, **more: Any) -> PodState:
    """A pod that runs."""
    state = PodState(f"p-{component}-{number}", f"uid{number}", component, "1", "rs", "Running", True, True, NOW)
    return replace(state, **more)


def healthy(**changed: WorkloadState) -> Observed:
    """Redis, gateway and STT as they should be, but for what is ``changed``."""
    parts = {"redis": workload("redis"), "gateway": workload("gateway"), "stt": workload("stt")} | changed
    return Observed(tuple(parts.values()))


def condition(status: dict[str, Any], kind: str) -> dict[str, Any]:
    """The condition of that type."""
    found: dict[str, Any] = next(item for item in status["conditions"] if item["type"] == kind)
    return found


def test_all_well_is_ready() -> None:
    """With every workload ready the pipeline is Ready, with its address, and nothing is degraded or under way."""
    status = make_status(subject(), {}, 3, NOW)
    truths = {item["type"]: item["status"] for item in status["conditions"]}
    assert truths == {
        "Ready": "True",
        "RedisReady": "True",
        "GatewayReady": "True",
        "SttReady": "True",
        "ScalingActive": "True",
        "LagTrusted": "True",
        "Progressing": "False",
        "Degraded": "False",
    }
    assert {item["observedGeneration"] for item in status["conditions"]} == {3}
    assert status["endpoint"] == "ws://p-gateway.default:80/ws"
    assert status["sttSummary"] == "1/1"


def test_times_change_with_the_status_alone() -> None:
    """A condition keeps the time of its transition through later writes, and gets a new one when it turns."""
    first = make_status(subject(), {}, 1, NOW)
    second = make_status(subject(healthy(stt=workload("stt", ready=0))), first, 2, NOW + 60)
    assert condition(second, "GatewayReady")["lastTransitionTime"] == "2027-01-15T08:00:00Z"
    assert condition(second, "SttReady")["lastTransitionTime"] == "2027-01-15T08:01:00Z"
    assert condition(second, "Ready")["reason"] == "Starting"


def test_waiting_for_gpus_is_counted() -> None:
    """Pods without a GPU are said by number, resource and nodes; while the minimum serves it is only degraded."""
    message = (
        "0/3 nodes are available: 1 node(s) had untolerated taint {a: b}, 2 Insufficient nvidia.com/gpu. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )
    stuck = [pod("stt", n, ready=False, scheduled=False, phase="Pending", unschedulable=message) for n in (3, 4)]
    observed = replace(healthy(stt=workload("stt", desired=4, ready=2)), pods=(pod("stt", 1), pod("stt", 2), *stuck))
    gpu = {"gpu": {}, "autoscaling": {"minReplicas": 1, "maxReplicas": 4}}
    scaling = ScalingReport((StageReport("stt", Decision(4, "GpuStarved", "4 would be right"), QUIET),))
    status = make_status(subject(observed, scaling=scaling, stt=gpu), {}, 1, NOW)
    sentence = (
        "2 of 4 STT pods wait for nvidia.com/gpu: 0/3 nodes have one free (1 node(s) had untolerated taint {a: b})"
    )
    assert condition(status, "Degraded") | {
        "status": "True",
        "reason": "GpuUnavailable",
        "message": sentence,
    } == condition(status, "Degraded")
    assert condition(status, "SttReady")["status"] == "True"
    assert condition(status, "ScalingActive")["reason"] == "GpuStarved"
    fixed = make_status(subject(observed, stt={"gpu": {}, "replicas": 4}), {}, 1, NOW)
    assert condition(fixed, "Ready")["message"] == f"SttReady: {sentence}"


@pytest.mark.parametrize(
    ("trouble", "reason", "said"),
    [
        (ContainerTrouble("stt", "ImagePullBackOff", 'image "x:1" not found'), "ImagePullFailed", "spec.images"),
        (
            ContainerTrouble("stt", "CrashLoopBackOff", "Traceback\nValueError: no model here", 1, 5),
            "CrashLoop",
            "keeps ending with code 1 (5 restarts of stt): ValueError: no model here. See: kubectl logs p-stt-1",
        ),
        (ContainerTrouble("stt", "OOMKilled", "", 137, 1), "OutOfMemory", "1 restart of stt): raise resources"),
        (
            ContainerTrouble("stt", "CreateContainerConfigError", 'secret "a" not found'),
            "ConfigurationMissing",
            'secret "a" not found',
        ),
    ],
)
def test_a_failing_container_is_explained(trouble: ContainerTrouble, reason: str, said: str) -> None:
    """Image pulls, crashes with their last line, memory and missing configuration each have their reason and advice."""
    bad = pod("stt", 1, ready=False, trouble=(trouble,))
    status = make_status(subject(replace(healthy(stt=workload("stt", ready=0)), pods=(bad,))), {}, 1, NOW)
    assert condition(status, "SttReady")["reason"] == reason
    assert said in condition(status, "SttReady")["message"]


def test_missing_secrets_and_volumes_are_named() -> None:
    """A Secret or key that is not there, and a claim without volume, are named with what to do."""
    without = replace(healthy(gateway=workload("gateway", ready=0)), missing_secrets=("keys/api",))
    auth = {"auth": {"secretRef": {"name": "keys", "key": "api"}}}
    status = make_status(subject(without, gateway=auth), {}, 1, NOW)
    assert condition(status, "GatewayReady")["reason"] == "SecretMissing"
    assert "Secret keys has no key api" in condition(status, "GatewayReady")["message"]
    claim = ClaimState("data-p-redis-0", "redis", "u", "1", "Pending", 1, None, None)
    unbound = replace(healthy(redis=workload("redis", ready=0)), claims=(claim,))
    status = make_status(subject(unbound), {}, 1, NOW)
    assert condition(status, "RedisReady")["reason"] == "VolumePending"
    assert "no StorageClass is named or default" in status["conditions"][1]["message"]


def test_what_could_not_be_applied_is_never_ready() -> None:
    """A refused child makes its component and the pipeline not ready, with the reason, though old pods still serve."""
    problem = ApplyProblem(Ref("Service", "p-gateway"), "NameConflict", "Service p-gateway is somebody else's", True)
    status = make_status(subject(report=ApplyReport(problems=(problem,))), {}, 1, NOW)
    assert condition(status, "Ready")["reason"] == condition(status, "GatewayReady")["reason"] == "NameConflict"
    assert condition(status, "SttReady")["status"] == "True"
    assert status["reason"] == "NameConflict"


def test_scaling_that_does_not_work_is_said() -> None:
    """Where the backlog can't be read, ScalingActive is False with the error; where it has not been yet, Unknown."""
    auto = {"autoscaling": {"minReplicas": 1, "maxReplicas": 4}}
    status = make_status(subject(stt=auto), {}, 1, NOW)
    assert condition(status, "ScalingActive")["status"] == "Unknown"
    held = Decision(2, "Hold", "held", valid=False)
    scaling = ScalingReport((StageReport("stt", held, None, "connection refused"),))
    status = make_status(subject(stt=auto, scaling=scaling), {}, 1, NOW)
    assert condition(status, "ScalingActive")["message"] == "STT workers stay at 2: connection refused"
    assert status["reason"] == "BacklogUnreadable"
    doubted = replace(QUIET, trusted=False, doubt="lag is 7, the queue says 0")
    scaling = ScalingReport((StageReport("stt", Decision(2, "Hold", "held", valid=False), doubted),))
    assert condition(make_status(subject(stt=auto, scaling=scaling), {}, 1, NOW), "LagTrusted")["status"] == "False"


def test_nothing_to_do_is_well() -> None:
    """Scaled to zero is a state to be in: Ready, and said."""
    observed = healthy(stt=workload("stt", desired=0, ready=0))
    scaling = ScalingReport((StageReport("stt", Decision(0, "ScaledToZero", "idle"), QUIET),))
    auto = {"autoscaling": {"minReplicas": 0, "maxReplicas": 4}}
    status = make_status(subject(observed, scaling=scaling, stt=auto), {}, 1, NOW)
    assert condition(status, "Ready")["status"] == "True"
    assert condition(status, "SttReady")["reason"] == "ScaledToZero"
    assert status["backlog"] == 0


def test_a_spec_that_cannot_be_read_is_said() -> None:
    """What is wrong stands in Ready; the other conditions stay as they were."""
    before = make_status(subject(), {}, 1, NOW)
    status = invalid_status(["spec.stt.model: needs text"], before, 2, NOW + 5)
    assert condition(status, "Ready")["message"] == "spec.stt.model: needs text"
    assert condition(status, "GatewayReady")["observedGeneration"] == 1


def test_writes_are_paced() -> None:
    """A transition is written at once; a number or a word only after ten seconds, and a small change never."""
    auto = {"autoscaling": {"minReplicas": 1, "maxReplicas": 4}}

    def at(jobs: int, ready: int = 1) -> dict[str, Any]:
        stage = StageReport("stt", Decision(1, "Steady", f"{jobs}"), replace(QUIET, undelivered=jobs))
        return make_status(
            subject(healthy(stt=workload("stt", ready=ready)), scaling=ScalingReport((stage,)), stt=auto), {}, 1, NOW
        )

    assert worth_writing(at(100), at(100, ready=0), NOW, NOW)
    assert not worth_writing(at(100), at(105), NOW, NOW + 60)
    assert not worth_writing(at(100), at(120), NOW, NOW + 5)
    assert worth_writing(at(100), at(120), NOW, NOW + 10)
    assert [item["type"] for item in transitions(at(1), at(1, ready=0))] == ["Ready", "SttReady"]
    assert transitions({}, at(1)) == []
