"""Watched objects as the small values that are kept of them. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, cast

from speechpipe_operator.objects import (
    COMPONENT_LABEL,
    CORDONED_ANNOTATION,
    DELETION_COST_ANNOTATION,
    Object,
    Ref,
    ref,
)
from speechpipe_operator.observed import ClaimState, ContainerTrouble, PodState, WorkloadState
from speechpipe_operator.reconcile.fingerprint import fingerprint, foreign_containers, keeps_replicas
from speechpipe_operator.reconcile.quantity import amount

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
"""The API server lets no other be written."""

LONGEST_MESSAGE: Final = 300
"""Characters kept of what a container said; the kubelet allows 4,096, and a thousand pipelines fail at once."""

HARMLESS: Final = frozenset({"ContainerCreating", "PodInitializing", "Completed", ""})
"""Reasons for waiting or ending that are no trouble."""

OUT_OF_MEMORY: Final = "OOMKilled"
"""Says more than the crash loop that follows from it."""


@dataclass(frozen=True, slots=True)
class Live:
    """A child as it was seen last."""

    ref: Ref
    uid: str
    owner: str | None
    """UID of what controls it."""
    resource_version: str
    fingerprint: str
    replicas: int | None
    """``spec.replicas``; None where the kind has none."""
    keeps_replicas: bool
    """See ``fingerprint.keeps_replicas``."""
    deleting: bool
    component: str


def live(obj: Object) -> Live:
    """What is kept of any child."""
    metadata = obj["metadata"]
    return Live(
        ref=ref(obj),
        uid=metadata["uid"],
        owner=controller(obj),
        resource_version=metadata["resourceVersion"],
        fingerprint=fingerprint(obj),
        replicas=(obj.get("spec") or {}).get("replicas"),
        keeps_replicas=keeps_replicas(obj),
        deleting="deletionTimestamp" in metadata,
        component=component_of(obj),
    )


def controller(obj: Object) -> str | None:
    """UID of the object that controls this one."""
    references = obj["metadata"].get("ownerReferences") or ()
    return next((str(item["uid"]) for item in references if item.get("controller")), None)


def component_of(obj: Object) -> str:
    """The component that an object's label names; empty without."""
    return str((obj["metadata"].get("labels") or {}).get(COMPONENT_LABEL, ""))


def workload_state(obj: Object) -> WorkloadState:
    """Of a Deployment or StatefulSet."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    conditions = _conditions(status)
    progress, refused = conditions.get("Progressing"), conditions.get("ReplicaFailure")
    return WorkloadState(
        kind=obj["kind"],
        name=metadata["name"],
        component=component_of(obj),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        desired=int(spec.get("replicas", 1)),
        generation=int(metadata.get("generation", 0)),
        observed_generation=int(status.get("observedGeneration", 0)),
        updated=int(status.get("updatedReplicas", 0)),
        ready=int(status.get("readyReplicas", 0)),
        available=int(status.get("availableReplicas", 0)),
        existing=int(status.get("replicas", 0)),
        progressing=not (progress and progress["status"] == "False"),
        failure=refused.get("message", "") if refused and refused["status"] == "True" else None,
        foreign_containers=foreign_containers(obj),
    )


def claim_state(obj: Object) -> ClaimState:
    """Of a PersistentVolumeClaim."""
    metadata, spec, status = obj["metadata"], obj["spec"], obj.get("status") or {}
    capacity = (status.get("capacity") or {}).get("storage")
    resizing = [item for kind, item in _conditions(status).items() if "Resiz" in kind and item["status"] == "True"]
    return ClaimState(
        name=metadata["name"],
        component=component_of(obj),
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        phase=status.get("phase", "Pending"),
        requested_bytes=amount(spec["resources"]["requests"]["storage"]),
        capacity_bytes=amount(capacity) if capacity is not None else None,
        storage_class=spec.get("storageClassName"),
        message=resizing[0].get("message") or resizing[0]["type"] if resizing else None,
    )


def pod_state(obj: Object) -> PodState:
    """Of a pod."""
    metadata, status = obj["metadata"], obj.get("status") or {}
    annotations, conditions = metadata.get("annotations") or {}, _conditions(status)
    ready, placed = conditions.get("Ready"), conditions.get("PodScheduled")
    node, phase = (obj.get("spec") or {}).get("nodeName"), cast(Phase, status.get("phase", "Pending"))
    owners = metadata.get("ownerReferences") or ()
    waits = placed is not None and placed["status"] == "False" and placed.get("reason") == "Unschedulable"
    return PodState(
        name=metadata["name"],
        uid=metadata["uid"],
        component=component_of(obj),
        resource_version=metadata["resourceVersion"],
        owner=next((str(item["name"]) for item in owners if item.get("controller")), None),
        phase=phase,
        ready=ready is not None and ready["status"] == "True",
        scheduled=node is not None,
        created=_unix(metadata["creationTimestamp"]),
        terminating="deletionTimestamp" in metadata,
        unschedulable=(placed.get("message") or "no node fits") if placed is not None and waits else None,
        node=node,
        trouble=tuple(_troubles(status)),
        deletion_cost=_integer(annotations.get(DELETION_COST_ANNOTATION)),
        cordoned=CORDONED_ANNOTATION in annotations,
    )


def _troubles(status: Object) -> list[ContainerTrouble]:
    """Containers that wait or have ended without being meant to; a pod that ended by itself (eviction) is one, too."""
    found = []
    for group, init in (("initContainerStatuses", True), ("containerStatuses", False)):
        for container in status.get(group) or ():
            trouble = _trouble(container, init=init)
            found += [trouble] if trouble else []
    if not found and status.get("phase") == "Failed" and status.get("reason"):
        found.append(ContainerTrouble("", str(status["reason"]), _short(status.get("message"))))
    return found


def _trouble(container: Object, *, init: bool) -> ContainerTrouble | None:
    state, last = container.get("state") or {}, container.get("lastState") or {}
    waiting, ended = state.get("waiting"), state.get("terminated") or last.get("terminated") or {}
    restarts = int(container.get("restartCount", 0))
    code = ended.get("exitCode")
    if waiting is not None and waiting.get("reason", "") not in HARMLESS:
        # Of a crash loop the kubelet says only how long it waits; what the container said last tells more.
        said = _last_line(ended.get("message")) or _short(waiting.get("message"))
        reason = OUT_OF_MEMORY if ended.get("reason") == OUT_OF_MEMORY else waiting["reason"]
        return ContainerTrouble(container["name"], reason, said, code, restarts)
    if "terminated" in state and not (init and code == 0):
        reason = state["terminated"].get("reason") or "Error"
        return ContainerTrouble(container["name"], reason, _last_line(ended.get("message")), code, restarts)
    return None


def _last_line(message: str | None) -> str:
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    return _short(lines[-1]) if lines else ""


def _short(message: str | None) -> str:
    return " ".join((message or "").split())[:LONGEST_MESSAGE]


def _conditions(status: Object) -> dict[str, dict[str, Any]]:
    return {item["type"]: item for item in status.get("conditions") or ()}


def _unix(stamp: str) -> float:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def _integer(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
    except ValueError:  # somebody else's
        return None
