"""Pipelines for tests of the running operator, and what their children should be."""

import asyncio
import time
from typing import Any

from operator_process import PATIENCE_SECONDS, POLL_SECONDS

from speechpipe_operator.objects import PIPELINE_LABEL
from speechpipe_operator.testing.rest import ApiError, Rest

API = "/apis/speechpipe.dev/v1alpha1"
PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}
"""Kinds that every pipeline has children of."""

CHILDREN = {
    "ConfigMap": {"redis"},
    "Service": {"gateway", "redis"},
    "ServiceAccount": {"pipeline"},
    "Secret": {"redis-auth"},
    "Deployment": {"gateway", "stt", "translation"},
    "StatefulSet": {"redis"},
    "PodDisruptionBudget": {"gateway", "stt", "translation"},
    "NetworkPolicy": {"gateway", "redis", "stt", "translation"},
}
"""Names of a pipeline's children after its own."""

COLLECTION_SECONDS = 90.0
"""The garbage collector looks for new kinds every 30 s, and can't follow an owner of a kind that it does not know."""

NOISE = ("managedFields", "resourceVersion", "uid", "creationTimestamp", "generation")


def pipeline(name: str, node: str = "", **spec: Any) -> dict[str, Any]:
    """A pipeline with all components; ``spec`` replaces sections. With ``node`` its pods go there alone."""
    body: dict[str, Any] = {
        "languages": {"source": "en", "targets": ["es"]},
        "redis": {"managed": {"memory": "64Mi", "storage": {"size": "1Gi"}}},
        "gateway": {"replicas": 1, "auth": {"mode": "none"}},
        "stt": {"replicas": 1},
        "translation": {"replicas": 1},
        **spec,
    }
    if node:
        body["podTemplate"] = {"spec": {"nodeSelector": {"kubernetes.io/hostname": node}}}
    return {
        "apiVersion": "speechpipe.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": name},
        "spec": body,
    }


def path_of(namespace: str, name: str) -> str:
    """Of a pipeline."""
    return f"{API}/namespaces/{namespace}/speechpipelines/{name}"


async def apply(rest: Rest, namespace: str, document: dict[str, Any]) -> dict[str, Any]:
    """Apply a pipeline as a user does; the resource."""
    return await rest.apply(path_of(namespace, document["metadata"]["name"]), document, manager="a-user")


async def children(rest: Rest, namespace: str, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """All children of a pipeline by kind and name."""
    found = {}
    for kind, path in PATHS.items():
        for item in await rest.items(path.format(namespace), labelSelector=f"{PIPELINE_LABEL}={name}"):
            found[kind, item["metadata"]["name"]] = item
    return found


def expected(name: str) -> set[tuple[str, str]]:
    """What ``pipeline`` should have."""
    return {(kind, f"{name}-{part}") for kind, parts in CHILDREN.items() for part in parts}


async def complete(rest: Rest, namespace: str, name: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Wait until all children are there; they.

    Raises:
        AssertionError: not in time.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := await children(rest, namespace, name)).keys() >= expected(name):
        if time.monotonic() > deadline:
            raise AssertionError(f"missing: {sorted(expected(name) - found.keys())}")
        await asyncio.sleep(POLL_SECONDS)
    assert found.keys() == expected(name), found.keys() ^ expected(name)
    return found


async def condition(
    rest: Rest, namespace: str, name: str, kind: str, *, saying: str = "", **wanted: str
) -> dict[str, Any]:
    """Wait until a condition is as wanted (status, reason) and its message has the words; it.

    Raises:
        AssertionError: not in time; with the status as it is.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        body = await rest.get(path_of(namespace, name))
        conditions = {item["type"]: item for item in body.get("status", {}).get("conditions", [])}
        found = conditions.get(kind, {})
        current = found.get("observedGeneration") == body["metadata"]["generation"]
        if current and saying in found["message"] and all(found.get(key) == value for key, value in wanted.items()):
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{kind} is not {wanted}, saying {saying!r}: {body.get('status')}")
        await asyncio.sleep(POLL_SECONDS)


async def gone(rest: Rest, path: str) -> None:
    """Wait until an object is no longer there.

    Raises:
        TimeoutError: it stays.
    """
    async with asyncio.timeout(COLLECTION_SECONDS):
        while await rest.find(path) is not None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(POLL_SECONDS)


def essence(obj: dict[str, Any]) -> dict[str, Any]:
    """What of an object somebody has wished: no versions, times, status."""
    rest = {key: value for key, value in obj.items() if key not in ("status", "metadata", "kind", "apiVersion")}
    return rest | {"metadata": {key: value for key, value in obj["metadata"].items() if key not in NOISE}}


__all__ = [
    "ApiError",
    "apply",
    "children",
    "complete",
    "condition",
    "essence",
    "expected",
    "gone",
    "path_of",
    "pipeline",
]
