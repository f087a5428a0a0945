"""Pods that the suite itself runs; all of them pass Pod Security ``restricted`` unless said otherwise."""

from collections.abc import Sequence

from kubectl import Json, find, get, items
from progress import until
from settings import RUN_LABEL
from states import is_true, serving

START_SECONDS = 300.0
USER = 10001


def plain_pod(
    name: str, namespace: str, image: str, command: Sequence[str], *, labels: dict[str, str] | None = None
) -> Json:
    """A pod with one container ``main`` and a writable ``/tmp``."""
    container: Json = {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": list(command),
        "env": [{"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}],
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec: Json = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    metadata = {"name": name, "namespace": namespace, "labels": {RUN_LABEL: "pod"} | (labels or {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def not_on(pod: Json, node: str) -> None:
    """Keep a pod away from a node."""
    rule = {"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchExpressions": [rule]}]}
    pod["spec"]["affinity"] = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


def until_running(name: str, namespace: str) -> Json:
    """Wait until a pod is ready; the pod."""
    until(lambda: serving(get("pod", name, namespace)), f"pod {name}", START_SECONDS, lambda: why(name, namespace))
    return get("pod", name, namespace)


def until_ended(name: str, namespace: str, seconds: float) -> Json:
    """Wait until a pod has succeeded; the pod.

    Raises:
        AssertionError: it failed, or did not end in time.
    """

    def ended() -> bool:
        return get("pod", name, namespace)["status"]["phase"] in ("Succeeded", "Failed")

    until(ended, f"pod {name} to end", seconds, lambda: why(name, namespace))
    pod = get("pod", name, namespace)
    assert pod["status"]["phase"] == "Succeeded", why(name, namespace)
    return pod


def why(name: str, namespace: str) -> str:
    """What keeps a pod from running, in short."""
    pod = find("pod", name, namespace)
    if pod is None:
        return f"pod {name} is not there"
    states = [status.get("state") for status in pod["status"].get("containerStatuses", ())]
    waiting = [item.get("message", "") for item in pod["status"].get("conditions", ()) if item["status"] != "True"]
    return f"pod {name}: {pod['status']['phase']} {states} {waiting}"


def workers() -> list[str]:
    """Nodes that take ordinary pods, by name."""
    return sorted(
        node["metadata"]["name"]
        for node in items("nodes")
        if is_true(node, "Ready")
        and not node["spec"].get("unschedulable")
        and not any(taint["effect"] in ("NoSchedule", "NoExecute") for taint in node["spec"].get("taints", ()))
    )
