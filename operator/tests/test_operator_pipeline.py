"""A SpeechPipeline becomes a running pipeline: the operator's process on a real API server with real controllers."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from operator_pipelines import PATHS, apply, children, complete, condition, gone, path_of, pipeline
from operator_process import Operators, operators

from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest
from speechpipe_operator.testing.volumes import FakeProvisioner


@pytest_asyncio.fixture
async def fleet(
    cluster: ControlPlane, tmp_path: Path, cluster_namespace: str, cluster_crd: str
) -> AsyncIterator[Operators]:
    """Operators of this test, with all their rights in its namespace."""
    async with operators(cluster, tmp_path, cluster_namespace) as made:
        await made.grant()
        yield made


async def test_a_pipeline_becomes_ready_and_goes_without_a_trace(
    fleet: Operators, cluster_rest: Rest, cluster_namespace: str
):
    """Applied, it gets all its children and becomes Ready; events tell of it, and kopf has left nothing on any object;
    when it is deleted its children go by the garbage collector.
    """
    rest, namespace, node = cluster_rest, cluster_namespace, f"{cluster_namespace}-node"
    operator = fleet.start()
    async with FakeKubelet(rest, [FakeNode(node)]), FakeProvisioner(rest, f"{namespace}-disk", default=True):
        await apply(rest, namespace, pipeline("voice", node))
        await complete(rest, namespace, "voice")
        await condition(rest, namespace, "voice", "Ready", status="True")

        found = await children(rest, namespace, "voice")
        body = await rest.get(path_of(namespace, "voice"))
        pods = await rest.items(f"/api/v1/namespaces/{namespace}/pods")
        for obj in (body, *found.values(), *pods):
            assert "kopf" not in json.dumps(obj).lower(), obj["metadata"]["name"]
            assert not obj["metadata"].get("finalizers"), obj["metadata"]["name"]
        events = await rest.items(f"/apis/events.k8s.io/v1/namespaces/{namespace}/events")
        told = [event for event in events if event["reportingController"] == "speechpipe.dev/operator"]
        assert any(event["action"] == "Ready" and event["type"] == "Normal" for event in told)
        assert operator.lines("reconcile_failed") == []
        assert not any((await operator.metric("speechpipe_operator_errors_total")).values())

        await rest.delete(path_of(namespace, "voice"))
        await gone(rest, path_of(namespace, "voice"))
        for kind, name in found:
            await gone(rest, f"{PATHS[kind].format(namespace)}/{name}")
    assert operator.lines("reconcile_failed") == []


async def test_the_definition_can_be_deleted_while_the_operator_is_away(
    fleet: Operators, cluster_rest: Rest, cluster_namespace: str
):
    """No finalizer holds anything: with the operator gone a pipeline can be deleted, and its children go."""
    rest, namespace = cluster_rest, cluster_namespace
    operator = fleet.start()
    await apply(rest, namespace, pipeline("voice"))
    found = await complete(rest, namespace, "voice")
    await operator.kill()

    await rest.delete(path_of(namespace, "voice"))

    await gone(rest, path_of(namespace, "voice"))
    await asyncio.gather(*(gone(rest, f"{PATHS[kind].format(namespace)}/{name}") for kind, name in found))
