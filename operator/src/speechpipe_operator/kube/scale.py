"""The replicas of a workload under a field manager of their own, and notes on pods: all with preconditions.

Server-side apply on ``/scale`` records who owns ``spec.replicas``; a patch with the same value records nobody, and the
next apply of the Deployment without replicas then makes it 1 (tried on 1.34).
"""

from dataclasses import dataclass
from typing import Literal

from speechpipe_operator.kube.api import KubeApi
from speechpipe_operator.kube.kinds import KINDS
from speechpipe_operator.objects import SCALE_MANAGER, Object

Workload = Literal["Deployment", "StatefulSet"]


@dataclass(frozen=True, slots=True)
class Scale:
    """``/scale`` of a workload, as it is."""

    uid: str
    resource_version: str
    """The workload's own."""
    replicas: int
    """``spec.replicas``."""
    existing: int
    """``status.replicas``."""


async def get_scale(api: KubeApi, namespace: str, name: str, kind: Workload = "Deployment") -> Scale:
    """Read it.

    Raises:
        NotFound: there is no such workload.
        KubeError: any other failure.
    """
    return _scale(await api.get(kind, namespace, name, subresource="scale"))


async def apply_scale(
    api: KubeApi,
    namespace: str,
    name: str,
    replicas: int,
    *,
    uid: str,
    resource_version: str | None = None,
    kind: Workload = "Deployment",
) -> Scale:
    """Make it ``replicas`` and own that number as ``SCALE_MANAGER``.

    Args:
        api: where.
        namespace: of the workload.
        name: of the workload.
        replicas: 0 allowed.
        uid: of the workload, so that a successor of the same name is left alone.
        resource_version: of the workload: a decision that was made on an older one is not carried out.
        kind: of the workload.

    Raises:
        Conflict: it is another workload or version.
        NotFound: there is none.
        KubeError: any other failure.
    """
    metadata: Object = {"name": name, "namespace": namespace, "uid": uid}
    if resource_version is not None:
        metadata["resourceVersion"] = resource_version
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {"replicas": replicas}}
    answer = await api.apply_to(KINDS[kind], namespace, name, body, manager=SCALE_MANAGER, subresource="scale")
    return _scale(answer)


async def annotate_pod(
    api: KubeApi,
    namespace: str,
    name: str,
    annotations: dict[str, str | None],
    *,
    uid: str,
    resource_version: str | None = None,
) -> Object:
    """Set annotations of a pod, or remove those given as None; the pod as it is then.

    Raises:
        Conflict: it is another pod or, where one is given, version.
        NotFound: it is gone.
        KubeError: any other failure.
    """
    metadata: Object = {"uid": uid, "annotations": annotations}
    if resource_version is not None:
        metadata["resourceVersion"] = resource_version
    return await api.patch("Pod", namespace, name, {"metadata": metadata})


def _scale(body: Object) -> Scale:
    metadata, status = body["metadata"], body.get("status") or {}
    return Scale(
        uid=metadata["uid"],
        resource_version=metadata["resourceVersion"],
        replicas=int(body["spec"].get("replicas", 0)),
        existing=int(status.get("replicas", 0)),
    )
