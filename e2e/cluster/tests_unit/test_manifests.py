"""What the suite applies, held against a real API server."""

import json
from typing import Any

import pytest
from agents import daemon_set, privileged_namespace
from conftest import restricted
from pipelines import document, merged, model, translation
from pods import not_on, plain_pod
from settings import Settings
from test_scale import QUICK
from volumes import local_volume

from speechpipe_operator.testing.rest import Rest

pytest_plugins = ["speechpipe_operator.testing.fixtures"]

Json = dict[str, Any]
SETTINGS = Settings()


async def dry_run(rest: Rest, path: str, body: Json) -> Json:
    """Create an object without keeping it; what the API server makes of it.

    Raises:
        ApiError: it is refused.
    """
    return await rest.post(path, body, dryRun="All", fieldValidation="Strict")


async def test_pods_of_the_suite_pass_restricted(rest: Rest) -> None:
    """Pods that speak and probe are let into a namespace that enforces ``restricted``; a node's agent is not."""
    space = f"e2e-{SETTINGS.run}-restricted"
    await rest.post("/api/v1/namespaces", restricted(space, SETTINGS.run))
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
    await rest.post(f"/api/v1/namespaces/{space}/serviceaccounts", account)
    pod = plain_pod("speaker", space, SETTINGS.image("client"), ("true",))
    not_on(pod, "a-node")
    await dry_run(rest, f"/api/v1/namespaces/{space}/pods", pod)
    agent = daemon_set(space, SETTINGS.node_tools)["spec"]["template"] | {"apiVersion": "v1", "kind": "Pod"}
    agent["metadata"]["name"] = "agent"
    with pytest.raises(RuntimeError, match="violates PodSecurity"):
        await dry_run(rest, f"/api/v1/namespaces/{space}/pods", agent)


async def test_what_nodes_need_is_accepted(rest: Rest, namespace: str) -> None:
    """The API server takes the agents' namespace and DaemonSet, and local volumes."""
    await dry_run(rest, "/api/v1/namespaces", privileged_namespace("e2e-agents", "run"))
    path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets"
    await dry_run(rest, path, daemon_set(namespace, SETTINGS.node_tools))
    volume = local_volume("v", "none", "node", "/data/v", "1Gi", claim_of=(namespace, "data"), run="run")
    await dry_run(rest, "/api/v1/persistentvolumes", volume)


GPU = {"gpu": {"resourceName": "nvidia.com/gpu"}, "device": "auto", "autoscaling": QUICK}


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"gateway": {"replicas": 2}, "stt": {"replicas": 2}, "translation": translation()},
        {"stt": GPU},
        {"stt": model("base", SETTINGS)},
        {"stt": {"modelCache": {"image": None, "pvc": {"claimName": "weights"}}}},
    ],
    ids=["small", "faults", "scale", "standing", "weights"],
)
async def test_pipelines_of_the_suite_are_valid(rest: Rest, namespace: str, crd: str, spec: Json) -> None:
    """Every pipeline that the suite runs is accepted by the definition's own rules."""
    made = document("pipeline", namespace, SETTINGS, "a-class", **spec)
    path = f"/apis/speechpipe.dev/v1alpha1/namespaces/{namespace}/speechpipelines"
    stored = await dry_run(rest, path, made)
    assert merged(stored["spec"], made["spec"]) == stored["spec"], json.dumps(stored["spec"])
