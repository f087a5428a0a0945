"""Rendered objects on a real API server: what it takes, and that taking it again changes nothing."""

import copy
import json
from collections.abc import AsyncIterator
from importlib.resources import files

import pytest
import pytest_asyncio
from merge_table import merge_table
from render_support import CONTEXT, NAMES, golden, of, one, rendered

from speechpipe_operator.objects import FIELD_MANAGER, Object
from speechpipe_operator.plan import make_plan
from speechpipe_operator.render import Frame, with_replicas
from speechpipe_operator.render.secrets import redis_auth
from speechpipe_operator.testing.rest import ApiError, Rest

PLURALS = {
    "ConfigMap": "configmaps",
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Ingress": "ingresses",
    "NetworkPolicy": "networkpolicies",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ResourceClaimTemplate": "resourceclaimtemplates",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
}
FOREIGN = {"HTTPRoute", "PodMonitor"}
"""Kinds of others, which this server does not have."""


@pytest_asyncio.fixture
async def restricted(rest: Rest, namespace: str) -> AsyncIterator[str]:
    """A namespace that takes restricted pods only, on a server with all that the golden pipelines refer to."""
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await rest.merge(f"/api/v1/namespaces/{namespace}", label)
    for path, body in (
        ("/apis/scheduling.k8s.io/v1/priorityclasses/realtime", {"kind": "PriorityClass", "value": 1000}),
        ("/apis/node.k8s.io/v1/runtimeclasses/nvidia", {"kind": "RuntimeClass", "handler": "nvidia"}),
    ):
        group, version, _, name = path.split("/")[2:]
        body = {"apiVersion": f"{group}/{version}", "metadata": {"name": name}, **body}
        await rest.apply(path, body, manager="speechpipe-tests")
    yield namespace


@pytest.mark.parametrize("name", NAMES)
async def test_the_api_takes_every_object_and_its_pods(rest: Rest, restricted: str, name: str) -> None:
    """Every object of Kubernetes' own kinds is taken by server-side apply, and a pod of each template passes Pod
    Security; applying it all again changes no resource version.
    """
    objects = [obj for obj in rendered(golden(name), namespace=restricted) if obj["kind"] not in FOREIGN]
    first = await _apply(rest, objects)
    for obj in objects:
        if "template" in obj.get("spec", {}) and obj["kind"] != "ResourceClaimTemplate":
            await rest.post(f"/api/v1/namespaces/{restricted}/pods", _pod(obj), dryRun="All")
    assert await _apply(rest, objects) == first


async def test_workers_are_created_with_the_number_given(rest: Rest, restricted: str) -> None:
    """A Deployment is created with the replicas it is given, none included; its next apply would carry none."""
    deployment = one(rendered(golden("scale-to-zero"), namespace=restricted), "Deployment", "stt")
    assert "replicas" not in deployment["spec"]
    created = await rest.apply(_path(deployment), with_replicas(deployment, 0), manager=FIELD_MANAGER)
    assert created["spec"]["replicas"] == 0


async def test_the_secret_is_taken(rest: Rest, restricted: str) -> None:
    """The description of the password's Secret can be created as it is."""
    pipeline = golden("minimal")
    secret = redis_auth(Frame(pipeline, make_plan(pipeline), CONTEXT), "a-password")
    secret["metadata"]["namespace"] = restricted
    created = await rest.post(f"/api/v1/namespaces/{restricted}/secrets", secret)
    assert created["data"] == {"password": "YS1wYXNzd29yZA=="}


async def test_an_unknown_field_of_a_template_is_for_the_api_to_refuse(rest: Rest, restricted: str) -> None:
    """What no pod has is merged as it stands, and the API server names it."""
    pipeline = of("  stt: {podTemplate: {spec: {noSuchField: 1}}}\n")
    broken = one(rendered(pipeline, namespace=restricted), "Deployment", "stt")
    with pytest.raises(ApiError, match=r"noSuchField: field not declared in schema"):
        await rest.apply(_path(broken), broken, manager=FIELD_MANAGER)


async def test_the_merge_table_is_the_apis_own(rest: Rest) -> None:
    """``merge_keys.json`` says what the API server says of the lists of a pod template."""
    described = merge_table(await rest.get("/openapi/v3/api/v1"))
    table = json.loads(files("speechpipe_operator.render").joinpath("merge_keys.json").read_text())
    assert table == described


def _pod(workload: Object) -> Object:
    """The pod that a controller would make, with the volumes of claims that it adds."""
    template = copy.deepcopy(workload["spec"]["template"])
    for claim in workload["spec"].get("volumeClaimTemplates", ()):
        source = {"claimName": f"{claim['metadata']['name']}-{workload['metadata']['name']}-0"}
        template["spec"]["volumes"].append({"name": claim["metadata"]["name"], "persistentVolumeClaim": source})
    template["metadata"]["name"] = workload["metadata"]["name"]
    return {"apiVersion": "v1", "kind": "Pod", **template}


async def _apply(rest: Rest, objects: list[Object]) -> dict[str, str]:
    """Resource version of each object by its path, after applying it."""
    versions = {}
    for obj in objects:
        path = _path(obj)
        taken = await rest.apply(path, obj, manager=FIELD_MANAGER)
        if obj["kind"] == "PersistentVolumeClaim":
            # The API server writes a claim once more at its first update, be it a PUT of what it said itself.
            taken = await rest.apply(path, obj, manager=FIELD_MANAGER)
        versions[path] = taken["metadata"]["resourceVersion"]
    return versions


def _path(obj: Object) -> str:
    version = obj["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{obj['metadata']['namespace']}/{PLURALS[obj['kind']]}/{obj['metadata']['name']}"
