"""What the operator sees of a pipeline's children: small values made from watched objects, which are not kept whole.

Watches hand over whole objects of some ten kilobytes; a thousand pipelines have twenty thousand of them. Only what
the status and the autoscaler decide by is kept.
"""

from dataclasses import dataclass, field
from typing import Literal

from speechpipe_operator.objects import Ref


@dataclass(frozen=True, slots=True)
class ContainerTrouble:
    """Why a container (or init container) does not run."""

    container: str
    reason: str
    """The kubelet's: ImagePullBackOff, CrashLoopBackOff, CreateContainerConfigError, OOMKilled, Error …"""
    message: str
    """What it says, or the last line of the container's termination message."""
    exit_code: int | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class PodState:
    """One pod of a component."""

    name: str
    uid: str
    component: str
    resource_version: str
    owner: str | None
    """Name of the ReplicaSet or StatefulSet that controls it."""
    phase: Literal["Pending", "Running", "Succeeded", "Failed", "Unknown"]
    ready: bool
    scheduled: bool
    created: float
    """Unix seconds."""
    terminating: bool = False
    unschedulable: str | None = None
    """The scheduler's message while it finds no node."""
    node: str | None = None
    trouble: tuple[ContainerTrouble, ...] = ()
    deletion_cost: int | None = None
    cordoned: bool = False


@dataclass(frozen=True, slots=True)
class WorkloadState:
    """A Deployment or StatefulSet."""

    kind: Literal["Deployment", "StatefulSet"]
    name: str
    component: str
    uid: str
    resource_version: str
    desired: int
    """``spec.replicas``."""
    generation: int
    observed_generation: int
    updated: int = 0
    """Replicas of the newest template."""
    ready: int = 0
    available: int = 0
    existing: int = 0
    """``status.replicas``: pods that are there, terminating ones excluded."""
    progressing: bool = True
    """False where the Deployment says that it has made no progress within its deadline."""
    failure: str | None = None
    """Message of ReplicaFailure: pods that can't even be created (quota, admission)."""
    foreign_containers: tuple[str, ...] = ()
    """Containers in the template that the operator has not put there."""

    @property
    def rolling(self) -> bool:
        """Whether pods of an older template are being replaced, or the newest template has not been seen yet."""
        return self.observed_generation < self.generation or self.updated < self.existing


@dataclass(frozen=True, slots=True)
class ClaimState:
    """A PersistentVolumeClaim."""

    name: str
    component: str
    uid: str
    resource_version: str
    phase: str
    requested_bytes: int
    capacity_bytes: int | None
    storage_class: str | None
    message: str | None = None
    """Of a resizing condition."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is seen of one pipeline at one moment."""

    workloads: tuple[WorkloadState, ...] = ()
    pods: tuple[PodState, ...] = ()
    claims: tuple[ClaimState, ...] = ()
    missing_secrets: tuple[str, ...] = ()
    """``name`` or ``name/key`` of referenced Secrets that are not there."""

    def workload(self, component: str) -> WorkloadState | None:
        """The workload of that component, where it has been seen."""
        return next((item for item in self.workloads if item.component == component), None)

    def pods_of(self, component: str) -> tuple[PodState, ...]:
        """The pods of that component."""
        return tuple(pod for pod in self.pods if pod.component == component)


Refusal = Literal[
    "NameConflict",
    "PodTemplateInvalid",
    "Forbidden",
    "Invalid",
    "NamespaceMissing",
    "KindMissing",
    "Unavailable",
    "StorageShrink",
    "Contested",
]
"""Why a child is not as it should be; part of the status and of a metric, so never renamed."""


@dataclass(frozen=True, slots=True)
class ApplyProblem:
    """Why a child could not be brought to what it should be."""

    child: Ref
    reason: Refusal
    message: str
    """A sentence with what to do."""
    permanent: bool
    """Trying again changes nothing until the spec or the cluster does."""


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What one reconcile did to the children."""

    applied: tuple[Ref, ...] = ()
    """Children that were written."""
    pruned: tuple[Ref, ...] = ()
    problems: tuple[ApplyProblem, ...] = field(default=())
