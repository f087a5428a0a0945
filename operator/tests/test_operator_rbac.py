"""The roles that are shipped are what the operator needs: nothing is missing, nothing is unused."""

import asyncio
import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from operator_pipelines import API, apply, complete, condition, path_of, pipeline
from operator_process import PATIENCE_SECONDS, RBAC, OperatorProcess, operators
from ruamel.yaml import YAML

from speechpipe_common.testing import eventually
from speechpipe_operator.kube import KINDS
from speechpipe_operator.runtime.needs import NEEDS
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fixtures import CRDS, install_crd
from speechpipe_operator.testing.rest import Rest

FREE = {"SelfSubjectAccessReview"}
"""Everybody may ask for their own rights (ClusterRole system:basic-user)."""

NOT_SEEN = {
    ("pods", "patch"): "marks victims of a scale-down, which needs pods",
    ("deployments/scale", "get"): "takes over replicas that a field manager of old owns",
    ("replicasets", "list"): "before a claim template is pruned",
    ("secrets", "patch"): "gives a Secret that has lost its password a new one",
    ("serviceaccounts", "delete"): "no component leaves one behind, but a renamed one would",
}
"""Not seen in this test's scenario, but in others; with what it is for."""

EXTRA = {
    "podmonitors.monitoring.coreos.com": ("monitoring.coreos.com", "v1", "PodMonitor"),
    "httproutes.gateway.networking.k8s.io": ("gateway.networking.k8s.io", "v1", "HTTPRoute"),
}
"""CRDs that others would install."""


def rules(file: str) -> set[tuple[str, str, str]]:
    """What a file grants, as (group, resource, verb)."""
    documents = YAML(typ="safe", pure=True).load_all((RBAC / file).read_text())
    return {
        (group, resource, verb)
        for document in documents
        for rule in document.get("rules", [])
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("file", ["cluster.yaml", "namespaced.yaml"])
def test_the_roles_grant_what_the_table_of_needs_says(file: str):
    """Each shipped role grants exactly the verbs that the operator checks for itself; no wildcard; Secrets unlisted."""
    granted = rules(file)
    assert granted == {(need.group, need.resource, verb) for need in NEEDS for verb in need.verbs}
    assert not {part for rule in granted for part in rule if "*" in part}
    assert not granted & {("", "secrets", "list"), ("", "secrets", "watch")}


async def used(operator: OperatorProcess) -> set[tuple[str, str]]:
    """(resource, RBAC verb) of all requests that were answered with success, by the operator's own count."""
    found = set()
    for labels, _ in (await operator.metric("speechpipe_operator_api_requests_total")).items():
        label = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        kind, _, subresource = label["kind"].partition("/")
        if kind not in KINDS or kind in FREE or not label["code"].startswith(("2", "404", "409")):
            continue
        resource = KINDS[kind].plural + (f"/{subresource}" if subresource else "")
        verbs = ("patch", "create") if label["verb"] == "apply" and not subresource else (label["verb"],)
        found |= {(resource, verb.replace("apply", "patch")) for verb in verbs}
    return found


async def forbidden(operator: OperatorProcess) -> list[str]:
    """Requests that were refused for lack of a right."""
    requests = await operator.metric("speechpipe_operator_api_requests_total")
    return [labels for labels in requests if 'code="403"' in labels]


def everything(**spec: Any) -> dict[str, Any]:
    """A pipeline with a child of every kind."""
    gateway = {
        "autoscaling": {"minReplicas": 1, "maxReplicas": 2},
        "auth": {"mode": "none"},
        "ingress": {"host": "voice.example.org"},
        "httpRoute": {"parentRefs": [{"name": "web"}], "hostnames": ["voice.example.org"]},
    }
    stt = {
        "replicas": 2,
        "modelCache": {"pvc": {"size": "1Gi"}},
        "gpu": {"dra": {"deviceClassName": "gpu.example.org"}},
    }
    return pipeline("voice", **{"gateway": gateway, "stt": stt, **spec})


def bare() -> dict[str, Any]:
    """The same with as few children as there can be."""
    redis = {"external": {"url": "redis://127.0.0.1:1/0"}}
    unwatched = {"podMonitor": "disabled"}
    document = pipeline("voice", redis=redis, languages={"source": "en", "targets": []}, monitoring=unwatched)
    del document["spec"]["translation"]
    return document


async def test_clusterwide_it_uses_what_it_is_granted(
    control_plane: ControlPlane, rest: Rest, namespace: str, crd: str, tmp_path: Path
):
    """Under exactly the shipped ClusterRole a pipeline gets a child of every kind, loses most of them and goes; nothing
    is refused, and each right is used, but for those whose use needs what is tested elsewhere.
    """
    for name, (group, version, kind) in EXTRA.items():
        await install_crd(rest, _definition(tmp_path, name, group, version, kind))
    # In a namespace that goes nothing can be created, and this operator would try it for what other tests left.
    for left in await rest.items(f"{API}/speechpipelines"):
        await rest.discard(path_of(left["metadata"]["namespace"], left["metadata"]["name"]))
    async with operators(control_plane, tmp_path, namespace, clusterwide=True) as fleet:
        await fleet.grant()
        operator = fleet.start()
        await apply(rest, namespace, everything())
        await eventually(lambda: rest.find(f"{_root('ingresses')}/namespaces/{namespace}/ingresses/voice-gateway"))
        await condition(rest, namespace, "voice", "Progressing")
        await apply(rest, namespace, bare())
        await condition(rest, namespace, "voice", "Progressing")

        granted = {(need.resource, verb) for need in NEEDS for verb in need.verbs}
        seen = set()

        async def unused() -> set[tuple[str, str]]:
            seen.update(await used(operator))
            return {one for one in granted - seen if one not in NOT_SEEN and one[1] != "get"}

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while await unused():  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.2)
        assert await unused() == set()
        assert seen <= granted, seen - granted
        assert await forbidden(operator) == []
        await rest.delete(path_of(namespace, "voice"))
    for name in EXTRA:
        await rest.delete(f"{CRDS}/{name}")


async def test_namespaced_it_needs_nothing_outside(
    control_plane: ControlPlane, rest: Rest, namespace: str, crd: str, tmp_path: Path
):
    """Under exactly the shipped Role a pipeline becomes complete, and no request is refused."""
    async with operators(control_plane, tmp_path, namespace) as fleet:
        await fleet.grant()
        operator = fleet.start()
        await apply(rest, namespace, pipeline("voice"))
        await complete(rest, namespace, "voice")
        assert await forbidden(operator) == []
        assert (await operator.ready())["missing"] == []


def _root(plural: str) -> str:
    return f"/apis/{next(kind.api_version for kind in KINDS.values() if kind.plural == plural)}"


def _definition(directory: Path, name: str, group: str, version: str, kind: str) -> Path:
    plural = name.partition(".")[0]
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    file = directory / f"{plural}.yaml"
    names = {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"}
    versions = [{"name": version, "served": True, "storage": True, "schema": schema}]
    document = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        # Groups of the Kubernetes project want an approval, or a word that there is none.
        "metadata": {"name": name, "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": versions},
    }
    YAML(typ="safe", pure=True).dump(document, file)
    return file
