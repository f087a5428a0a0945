"""Every refusal becomes a problem of one child, with a stable reason and a sentence, and the others go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from reconcile_support import NAME, SPEC, World, counting, world

from speechpipe_common.testing import eventually
from speechpipe_operator.kube import Capabilities, Forbidden
from speechpipe_operator.objects import PIPELINE_LABEL, Object, Ref
from speechpipe_operator.observed import ApplyProblem
from speechpipe_operator.reconcile import ReconcileResult
from speechpipe_operator.testing.control_plane import ControlPlane

__all__ = ["world"]

STT = Ref("Deployment", "voice-stt")


@pytest.mark.parametrize(
    ("template", "mark"),
    [
        ("{spec: {nodeSelektor: {a: b}}}", "nodeSelektor"),
        ("{spec: {containers: [{name: stt, resources: {limits: 5}}]}}", "resources"),
        ("{spec: {containers: [{name: stt, ports: [{containerPort: x}]}]}}", "containerPort"),
        ("{spec: {restartPolicy: Never}}", "restartPolicy"),
        ("{spec: {volumes: [{name: v, emptyDir: {}, configMap: {name: c}}]}}", "volumes"),
    ],
)
async def test_a_wrong_pod_template_is_named(world: World, template: str, mark: str):
    """What the API server does not take in a podTemplate, by its schema (HTTP 500) or its rules (422), is a permanent
    problem of that Deployment which names the field; all other children are made, and it ends with a corrected spec.
    """
    await world.ask(SPEC.replace("stt: {", f"stt: {{podTemplate: {template}, "))
    result = await world.reconcile()
    problem = _only(result)
    assert (problem.reason, problem.child, problem.permanent) == ("PodTemplateInvalid", STT, True)
    assert mark in problem.message
    assert "podTemplate" in problem.message
    assert await world.find("Deployment", "voice-gateway")
    await world.ask(SPEC)
    assert not (await world.reconcile()).report.problems


@pytest.mark.parametrize("kind", ["StatefulSet", "Service", "Secret"])
async def test_a_missing_permission_is_named(world: World, control_plane: ControlPlane, kind: str):
    """What the operator's role lacks is said by verb, resource and namespace; the rest goes on, but for what reads a
    Secret that can't be read.
    """
    plurals = {"StatefulSet": "statefulsets", "Service": "services", "Secret": "secrets"}
    resources = ["configmaps", "serviceaccounts", "persistentvolumeclaims", "deployments", "deployments/scale"]
    resources += ["poddisruptionbudgets", "networkpolicies", "secrets", "services", "statefulsets"]
    rules = [{"apiGroups": ["*"], "resources": sorted({*resources} - {plurals[kind]}), "verbs": ["*"]}]
    async with _as_account(world, control_plane, rules):
        await world.ask(SPEC)
        problem = _only(await world.reconcile())
    assert (problem.reason, problem.child.kind, problem.permanent) == ("Forbidden", kind, True)
    assert f"{plurals[kind]}" in problem.message
    assert f"in namespace {world.key.namespace}" in problem.message
    assert "get" in problem.message if kind == "Secret" else "patch" in problem.message
    assert bool(await world.find("Deployment", "voice-stt")) == (kind != "Secret")


async def test_an_account_that_may_not_scale_is_told(world: World, control_plane: ControlPlane):
    """Without the permission for /scale a worker is created, and the problem names it."""
    resources = ["configmaps", "secrets", "services", "serviceaccounts", "statefulsets", "deployments"]
    resources += ["persistentvolumeclaims", "poddisruptionbudgets", "networkpolicies"]
    rules = [{"apiGroups": ["*"], "resources": resources, "verbs": ["*"]}]
    async with _as_account(world, control_plane, rules):
        await world.ask(SPEC)
        problems = (await world.reconcile()).report.problems
    assert {item.child.name for item in problems} == {"voice-stt", "voice-translation"}
    assert all("deployments/scale" in item.message for item in problems)


async def test_a_namespace_that_goes_is_left_alone(world: World):
    """In a namespace that is being deleted the first wave meets the refusal, and the others are not tried."""
    await world.ask(SPEC)
    await world.reconcile()
    path = f"/api/v1/namespaces/{world.key.namespace}"
    await world.rest.delete(path)
    await eventually(lambda: _terminating(world), "the namespace is terminating")
    for kind, name in (("Service", "voice-gateway"), ("Deployment", "voice-stt")):
        await world.rest.discard(world.path(kind, name))
    result = await world.reconcile()
    assert _only(result).reason == "NamespaceMissing"
    assert "being deleted" in _only(result).message
    assert "apply Deployment" not in world.calls


async def test_a_namespace_that_is_gone_is_said(world: World):
    """The resource outlived its namespace in the cache: one problem, no exception."""
    await world.ask(SPEC)
    world.key = world.key._replace(namespace="no-such-namespace")
    problem = _only(await world.reconcile())
    assert problem.reason == "NamespaceMissing"


async def test_a_kind_that_went_away_is_said(world: World):
    """A CRD that was removed after discovery: the problem names the kind, all else is made."""
    world.deps.api.versions["ResourceClaimTemplate"] = "resource.k8s.io/v1"
    object.__setattr__(world.deps, "capabilities", lambda: Capabilities(claims="resource.k8s.io/v1beta9"))
    await world.ask("gateway: {auth: {mode: none}}\nstt: {gpu: {dra: {deviceClassName: gpu.example.com}}}\n")
    problem = _only(await world.reconcile())
    assert (problem.reason, problem.child.kind) == ("KindMissing", "ResourceClaimTemplate")
    assert await world.find("Deployment", "voice-stt")


async def test_a_field_that_cannot_be_changed_is_said(world: World):
    """A child of ours with another selector can't be brought right; the sentence says which field, and the two ways."""
    await world.ask(SPEC)
    await world.reconcile()
    wanted = await world.get("Deployment", "voice-stt")
    await world.rest.delete(world.path("Deployment", "voice-stt"))
    labels = {PIPELINE_LABEL: NAME, "odd": "one"}
    wanted["metadata"] = {name: wanted["metadata"][name] for name in ("name", "labels", "ownerReferences")}
    wanted["spec"]["selector"] = {"matchLabels": labels}
    wanted["spec"]["template"]["metadata"]["labels"] |= labels
    await world.rest.post(world.path("Deployment", ""), wanted)
    problem = _only(await world.reconcile())
    assert (problem.reason, problem.permanent) == ("Invalid", True)
    assert "spec.selector" in problem.message
    assert "delete Deployment/voice-stt" in problem.message


async def test_an_exceeded_quota_is_said(world: World):
    """A quota's refusal is passed on in its own words."""
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    body = {**quota, "spec": {"hard": {"count/deployments.apps": "0"}}}
    path = f"/api/v1/namespaces/{world.key.namespace}/resourcequotas"
    await world.rest.post(path, body)
    status = {"status": {"hard": {"count/deployments.apps": "0"}, "used": {"count/deployments.apps": "0"}}}
    await world.rest.merge(f"{path}/none/status", status)
    await world.ask(SPEC)
    problems = (await world.reconcile()).report.problems
    assert {item.reason for item in problems} == {"Forbidden"}
    assert all("exceeded quota" in item.message for item in problems)
    assert await world.find("StatefulSet", "voice-redis")


def _only(result: ReconcileResult) -> ApplyProblem:
    first, *others = result.report.problems
    assert {item.reason for item in others} <= {first.reason}, result.report.problems
    return first


@asynccontextmanager
async def _as_account(world: World, plane: ControlPlane, rules: list[Object]) -> AsyncIterator[None]:
    """The operator acts as a ServiceAccount with these rules."""
    namespace = world.key.namespace
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "operator"}}
    await world.rest.post(f"/api/v1/namespaces/{namespace}/serviceaccounts", account)
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "operator"}}
    await world.rest.post(f"{rbac}/roles", {**head, "kind": "Role", "rules": rules})
    subject = {"kind": "ServiceAccount", "name": "operator", "namespace": namespace}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "operator"}
    await world.rest.post(
        f"{rbac}/rolebindings", {**head, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference}
    )
    client = plane.api(await plane.service_account_token(namespace, "operator"))
    world.api, world.calls = counting(plane, client)
    world.restart()
    await eventually(lambda: _allowed(world), "the role is in force")
    yield
    await client.close()


async def _allowed(world: World) -> bool:
    try:
        await world.api.find("ConfigMap", world.key.namespace, "any")
    except Forbidden:
        return False
    return True


async def _terminating(world: World) -> bool:
    found = await world.rest.get(f"/api/v1/namespaces/{world.key.namespace}")
    return bool(found["status"]["phase"] == "Terminating")
