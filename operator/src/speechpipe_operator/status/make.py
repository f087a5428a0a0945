"""All verdicts of a pipeline, and the numbers for ``kubectl get``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from speechpipe_operator.autoscaling.report import ScalingReport
from speechpipe_operator.components import Plan
from speechpipe_operator.objects import child_name
from speechpipe_operator.observed import ApplyReport, Observed
from speechpipe_operator.shards import is_redis, wanted_shards
from speechpipe_operator.spec import Gateway, Gpu, Spec, SpeechPipeline, Stt, Translation
from speechpipe_operator.status.component import Part, judge
from speechpipe_operator.status.conditions import Condition, conditions
from speechpipe_operator.status.scaling import lag_trusted, scaling_active
from speechpipe_operator.status.shards import changing, redis_ready
from speechpipe_operator.status.verdict import Verdict

Status = dict[str, Any]
"""The ``status`` of the resource as JSON."""

CONDITION_OF: Final = {
    "gateway": "GatewayReady",
    "stt": "SttReady",
    "translation": "TranslateReady",
}

WORKERS: Final = ("stt", "translation")


@dataclass(frozen=True, slots=True)
class Subject:
    """What a status is made of. ``scaling`` is empty until the scaler has looked for the first time."""

    pipeline: SpeechPipeline
    plan: Plan
    observed: Observed
    report: ApplyReport
    scaling: ScalingReport = field(default_factory=ScalingReport)


def make_status(subject: Subject, previous: Mapping[str, Any], generation: int, now: float) -> Status:
    """The status of a pipeline whose spec could be read.

    Args:
        subject: what is known of it.
        previous: the status as it is, for the times of its conditions.
        generation: ``metadata.generation`` of the spec that was applied.
        now: unix seconds.
    """
    spec = subject.pipeline.spec
    scaled = _scaled(spec)
    parts = [_part(component.name, spec) for component in subject.plan.components]
    judged = {part.component: judge(subject.plan.name, part, subject.observed, subject.report) for part in parts}
    verdicts = {CONDITION_OF[name]: verdict for name, (verdict, _) in judged.items() if not is_redis(name)}
    if redis := [verdict for name, (verdict, _) in judged.items() if is_redis(name)]:
        verdicts = {"RedisReady": redis_ready(subject.plan, redis)} | verdicts
    if spec.redis.managed is None:
        verdicts = {"RedisReady": _external_redis(subject, scaled)} | verdicts
    active = scaling_active(scaled, subject.scaling, paused=spec.paused)
    ready = _ready(subject, verdicts)
    every: dict[str, Verdict] = {
        "Ready": ready,
        **verdicts,
        "ScalingActive": active,
        "LagTrusted": lag_trusted(scaled, subject.scaling),
        "Progressing": _progressing(subject),
        "Degraded": _degraded(subject, [wrong for _, wrong in judged.values() if wrong]),
    }
    return {
        "observedGeneration": generation,
        "conditions": conditions(every, previous.get("conditions", []), generation, now),
        "reason": _reason(every),
        **_numbers(subject),
    }


def invalid_status(problems: list[str], previous: Mapping[str, Any], generation: int, now: float) -> Status:
    """The status of a pipeline whose spec can't be read; what was observed before stays."""
    verdict = Verdict("False", "SpecInvalid", "; ".join(problems))
    kept: dict[str, Condition] = {item["type"]: item for item in previous.get("conditions", [])}
    renewed = conditions({"Ready": verdict}, list(kept.values()), generation, now)
    others = [item for kind, item in kept.items() if kind != "Ready"]
    return {**previous, "observedGeneration": generation, "conditions": renewed + others, "reason": verdict.reason}


def _scaled(spec: Spec) -> tuple[str, ...]:
    workers = (("stt", spec.stt), ("translation", spec.translation))
    return tuple(
        name for name, part in workers if part and part.autoscaling is not None and part.autoscaling.mode == "auto"
    )


def _part(name: str, spec: Spec) -> Part:
    if is_redis(name):
        return Part(name, needed=1)
    if name == "gateway":
        scaling = spec.gateway.autoscaling
        auth = spec.gateway.auth.secret_ref
        secrets = _redis_secret(spec) | ({auth.name} if auth else set())
        return Part(name, scaling.min_replicas if scaling else spec.gateway.replicas, None, frozenset(secrets))
    worker: Stt | Translation | None = spec.stt if name == "stt" else spec.translation
    if worker is None:
        raise ValueError(f"the plan has {name}, the spec has not")
    needed = worker.autoscaling.min_replicas if worker.autoscaling else worker.replicas
    wished = 0 if worker.autoscaling else worker.replicas
    return Part(name, needed, _accelerator(worker.gpu), frozenset(_redis_secret(spec)), wished)


def _accelerator(gpu: Gpu | None) -> str | None:
    if gpu is None:
        return None
    return gpu.dra.device_class_name if gpu.dra else gpu.resource_name


def _redis_secret(spec: Spec) -> set[str]:
    external = spec.redis.external
    return {external.secret_ref.name} if external and external.secret_ref else set()


def _external_redis(subject: Subject, scaled: tuple[str, ...]) -> Verdict:
    """Seen through the scaler's eyes where it reads the backlog, else through the gateways' readiness."""
    for name in scaled:
        stage = subject.scaling.stage(name)
        if stage and stage.backlog is None:
            return Verdict("False", "Unreachable", f"the external Redis can't be read: {stage.error}")
        if stage:
            return Verdict("True", "Reachable", "external")
    gateway = subject.observed.workload("gateway")
    if gateway and gateway.ready:
        return Verdict("True", "Reachable", "external; a gateway is connected to it")
    return Verdict("Unknown", "NotSeenYet", "external; no gateway is connected to it yet")


def _ready(subject: Subject, verdicts: Mapping[str, Verdict]) -> Verdict:
    for problem in subject.report.problems:
        return Verdict("False", problem.reason, problem.message)
    for kind, verdict in verdicts.items():
        if verdict.truth == "False":
            return Verdict("False", verdict.reason, f"{kind}: {verdict.message}")
    for kind, verdict in verdicts.items():
        if verdict.truth == "Unknown":
            return Verdict("Unknown", verdict.reason, f"{kind}: {verdict.message}")
    return Verdict("True", "AllReady", _endpoint(subject))


def _progressing(subject: Subject) -> Verdict:
    if subject.pipeline.spec.paused:
        return Verdict("False", "Paused", "spec.paused is true: nothing is applied, mended or scaled")
    if any(not problem.permanent for problem in subject.report.problems):
        return Verdict("True", "Retrying", "what could not be applied is tried again")
    rolling = [item.component for item in subject.observed.workloads if item.rolling]
    if rolling:
        return Verdict("True", "RollingOut", f"pods are being replaced: {', '.join(sorted(rolling))}")
    if len(subject.observed.workloads) < len(subject.plan.components):
        return Verdict("True", "Creating", "children are being created")
    change = changing(subject.plan, wanted_shards(subject.pipeline.spec).running, subject.scaling.emptying)
    return change or Verdict("False", "UpToDate", "")


def _degraded(subject: Subject, wrong: list[Verdict]) -> Verdict:
    for problem in subject.report.problems:
        return Verdict("True", problem.reason, problem.message)
    if wrong:
        return Verdict("True", wrong[0].reason, "; ".join(verdict.message for verdict in wrong))
    return Verdict("False", "AsExpected", "")


def _reason(every: Mapping[str, Verdict]) -> str:
    """For the column of ``kubectl get``: why it is not Ready, else what does not work beside."""
    if not every["Ready"].well:
        return every["Ready"].reason
    if not every["ScalingActive"].well:
        return every["ScalingActive"].reason
    return every["Degraded"].reason if every["Degraded"].well else every["Ready"].reason


def _endpoint(subject: Subject) -> str:
    gateway: Gateway = subject.pipeline.spec.gateway
    if gateway.ingress:
        return f"{'wss' if gateway.ingress.tls_secret_name else 'ws'}://{gateway.ingress.host}/ws"
    if gateway.http_route and gateway.http_route.hostnames:
        return f"ws://{gateway.http_route.hostnames[0]}/ws"
    namespace = subject.pipeline.metadata.namespace or "default"
    return f"ws://{child_name(subject.plan.name, 'gateway')}.{namespace}:{gateway.service.port}/ws"


def _numbers(subject: Subject) -> dict[str, Any]:
    numbers: dict[str, Any] = {"endpoint": _endpoint(subject)}
    for component in subject.plan.components:
        workload = subject.observed.workload(component.name)
        if workload is None or is_redis(component.name):
            continue
        counts: dict[str, Any] = {"ready": workload.ready, "desired": workload.desired}
        stage = subject.scaling.stage(component.name)
        if stage:
            counts |= {"reason": stage.decision.reason, "detail": stage.decision.detail}
        numbers[component.name] = counts
        numbers[f"{component.name}Summary"] = f"{workload.ready}/{workload.desired}"
    read = [stage.backlog for stage in subject.scaling.stages if stage.backlog]
    if read:
        numbers["backlog"] = sum(backlog.undelivered + backlog.pending for backlog in read)
    return numbers
