"""What the scaler does to the cluster: two calls, so that everything else of it needs no API server."""

from datetime import UTC, datetime
from typing import Final, Protocol

from speechpipe_operator.autoscaling.crew import VICTIM_COST
from speechpipe_operator.kube.api import KubeApi
from speechpipe_operator.kube.scale import annotate_pod, apply_scale
from speechpipe_operator.objects import CORDONED_ANNOTATION, DELETION_COST_ANNOTATION
from speechpipe_operator.observed import PodState, WorkloadState

UNMARKED: Final[dict[str, str | None]] = {CORDONED_ANNOTATION: None, DELETION_COST_ANNOTATION: None}


class ScaleApi(Protocol):
    """Both refuse (``kube.errors.Conflict``) where the object is not the one that was seen."""

    async def scale(self, workload: WorkloadState, replicas: int) -> None:
        """Ask for so many replicas, and own the number."""
        ...

    async def mark(self, pod: PodState, *, victim: bool) -> None:
        """Let a pod be the first that its ReplicaSet ends, or one like all others."""
        ...


class KubeScale:
    """``ScaleApi`` for one namespace of a cluster.

    Args:
        api: the cluster.
        namespace: of the pipeline.
    """

    def __init__(self, api: KubeApi, namespace: str) -> None:
        self._api = api
        self._namespace = namespace

    async def scale(self, workload: WorkloadState, replicas: int) -> None:
        """See ``ScaleApi``."""
        await apply_scale(
            self._api,
            self._namespace,
            workload.name,
            replicas,
            uid=workload.uid,
            resource_version=workload.resource_version,
        )

    async def mark(self, pod: PodState, *, victim: bool) -> None:
        """See ``ScaleApi``; the version counts too, since what made it a victim may have changed with it."""
        marks = dict(UNMARKED)
        if victim:
            now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
            marks = {CORDONED_ANNOTATION: now, DELETION_COST_ANNOTATION: str(VICTIM_COST)}
        await annotate_pod(
            self._api, self._namespace, pod.name, marks, uid=pod.uid, resource_version=pod.resource_version
        )
