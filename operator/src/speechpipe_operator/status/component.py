"""The verdict on one component."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from speechpipe_operator.objects import child_name
from speechpipe_operator.observed import ApplyProblem, ApplyReport, ClaimState, Observed, WorkloadState
from speechpipe_operator.shards import REDIS
from speechpipe_operator.status.trouble import trouble
from speechpipe_operator.status.verdict import CALLED, Verdict
from speechpipe_operator.status.waiting import waiting


@dataclass(frozen=True, slots=True)
class Part:
    """What the status needs to know of a component's plan.

    ``needed`` is how many ready pods make it good enough to serve: all of a fixed number, the minimum of a scaled one
    (a pipeline that scales up is not broken). ``secrets`` are those that its pods refer to. ``wished`` is the spec's
    number where that is fixed: fewer may be asked for while GPUs are full.
    """

    component: str
    needed: int
    accelerator: str | None = None
    secrets: frozenset[str] = frozenset()
    wished: int = 0


def judge(pipeline: str, part: Part, observed: Observed, report: ApplyReport) -> tuple[Verdict, Verdict | None]:
    """The component's condition, and what is wrong with it even where it serves (None: nothing)."""
    refused = _refused(pipeline, part, report)
    workload = observed.workload(part.component)
    if workload is None:
        return (refused, refused) if refused else (Verdict("False", "Creating", "not created yet"), None)
    wrong = refused or _wrong(part, workload, observed)
    if workload.desired == 0 and part.needed == 0:
        return wrong or Verdict("True", "ScaledToZero", "no workers: there is no work"), wrong
    total = max(workload.desired, part.wished)
    needed = min(max(part.needed, 1), max(total, 1))
    if workload.rolling and needed > 1:
        needed -= 1
    counts = f"{workload.ready} of {total} ready"
    if workload.ready >= needed and not refused:
        if wrong is None and workload.ready < total:
            return Verdict("True", "Serving", counts), None
        return Verdict(
            "True", "Serving" if wrong else "AllReady", f"{counts}; {wrong.message}" if wrong else counts
        ), wrong
    if wrong:
        return wrong, wrong
    if workload.rolling:
        return Verdict("False", "RollingOut", f"{counts}; pods are being replaced"), None
    return Verdict("False", "Starting", f"{counts}; the others are starting"), None


def _refused(pipeline: str, part: Part, report: ApplyReport) -> Verdict | None:
    for problem in report.problems:
        if _concerns(pipeline, part.component, problem):
            return Verdict("False", problem.reason, problem.message)
    return None


def _concerns(pipeline: str, component: str, problem: ApplyProblem) -> bool:
    name = child_name(pipeline, component)
    if component == REDIS and re.match(rf"{re.escape(name)}-[0-9]", problem.child.name):
        return False  # of another shard
    return problem.child.name == name or problem.child.name.startswith(f"{name}-")


def _wrong(part: Part, workload: WorkloadState, observed: Observed) -> Verdict | None:
    component = part.component
    if missing := [item for item in observed.missing_secrets if item.partition("/")[0] in part.secrets]:
        return Verdict("False", "SecretMissing", _secret_sentence(missing))
    if workload.failure:
        return Verdict("False", "PodsRefused", f"no pod can be created: {workload.failure}")
    pods = observed.pods_of(component)
    found = trouble(component, pods, workload.desired)
    if found is None:
        found = _unbound([claim for claim in observed.claims if claim.component == component])
    if found is None:
        found = waiting(component, pods, max(workload.desired, part.wished), part.accelerator)
    if found is None and not workload.progressing:
        stuck = f"the rollout of {CALLED.get(component, component)} makes no progress; see: kubectl describe pods"
        return Verdict("False", "RolloutStuck", stuck)
    if found is None and workload.foreign_containers:
        names = ", ".join(workload.foreign_containers)
        return Verdict(
            "False", "ForeignContainer", f"{workload.kind} {workload.name} has containers of others: {names}"
        )
    return found


def _secret_sentence(missing: Sequence[str]) -> str:
    name, _, key = missing[0].partition("/")
    lacks = f"Secret {name} has no key {key}" if key else f"Secret {name} is not there"
    return f"{lacks}; create it in the pipeline's namespace: kubectl create secret generic {name} --from-file=..."


def _unbound(claims: Sequence[ClaimState]) -> Verdict | None:
    for claim in claims:
        if claim.phase == "Lost":
            return Verdict(
                "False", "VolumeLost", f"the volume of claim {claim.name} is gone; delete the claim to start empty"
            )
        if claim.phase == "Pending":
            place = (
                f"StorageClass {claim.storage_class}" if claim.storage_class else "no StorageClass is named or default"
            )
            return Verdict("False", "VolumePending", f"claim {claim.name} has no volume yet ({place}){_said(claim)}")
    return None


def _said(claim: ClaimState) -> str:
    return f": {claim.message}" if claim.message else ""
