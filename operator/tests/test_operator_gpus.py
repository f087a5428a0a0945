"""GPU workers on the real scheduler: full GPUs are said, and a rollout on them ends while workers serve."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from operator_pipelines import PATHS, apply, condition, pipeline
from operator_process import Operators, operators

from speechpipe_common.testing import eventually
from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.dra import publish_devices, withdraw_devices
from speechpipe_operator.testing.follow import follow
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest
from speechpipe_operator.testing.volumes import FakeProvisioner

POOL = "speechpipe-test/pool"
"""Label of a test's nodes: the cluster is shared."""


@pytest_asyncio.fixture
async def fleet(
    cluster: ControlPlane, tmp_path: Path, cluster_namespace: str, cluster_crd: str
) -> AsyncIterator[Operators]:
    """Operators of this test, with all their rights in its namespace."""
    async with operators(cluster, tmp_path, cluster_namespace) as made:
        await made.grant()
        yield made


def gpu_pipeline(namespace: str, gpu: dict[str, Any], **stt: Any) -> dict[str, Any]:
    """A pipeline whose pods all go to the nodes of the test."""
    document = pipeline("voice", stt={"model": "base", "gpu": gpu, **stt}, languages={"source": "en"})
    del document["spec"]["translation"]
    document["spec"]["podTemplate"] = {"spec": {"nodeSelector": {POOL: namespace}}}
    return document


def node(namespace: str, name: str, gpus: int = 1) -> FakeNode:
    """A node of the test with so many GPUs."""
    return FakeNode(f"{namespace}-{name}", extended={"nvidia.com/gpu": gpus}, labels={POOL: namespace})


STT = {"labelSelector": f"{PIPELINE_LABEL}=voice,{COMPONENT_LABEL}=stt"}
"""Query for what belongs to the STT workers."""


async def deployment(rest: Rest, namespace: str) -> dict[str, Any]:
    """The STT Deployment."""
    return await rest.get(f"{PATHS['Deployment'].format(namespace)}/voice-stt")


async def two_ready(rest: Rest, namespace: str) -> bool:
    """Whether two workers are."""
    return bool((await deployment(rest, namespace))["status"].get("readyReplicas", 0) == 2)


async def all_ask_for(rest: Rest, namespace: str, resource: str, count: int) -> bool:
    """Whether there are so many STT pods on nodes, each of which asks for one of the resource."""
    pods = await rest.items(f"/api/v1/namespaces/{namespace}/pods", **STT)
    asked = [pod["spec"]["containers"][0]["resources"].get("limits", {}).get(resource) for pod in pods]
    return asked == ["1"] * count and all(pod["spec"].get("nodeName") for pod in pods)


async def fewest_ready(rest: Rest, namespace: str, seen: list[int]) -> None:
    """Note every number of ready workers that the Deployment ever has."""
    async for _, found in follow(rest, PATHS["Deployment"].format(namespace), **STT):
        seen.append(found.get("status", {}).get("readyReplicas", 0))


@pytest.mark.timeout(300)
async def test_full_gpus_are_said_and_a_rollout_on_them_ends(
    fleet: Operators, cluster_rest: Rest, cluster_namespace: str
):
    """Of four workers on two GPUs two run, and the status says what the others wait for. A new template reaches both
    while one of them always serves; when two GPUs more come, all four run.
    """
    rest, namespace = cluster_rest, cluster_namespace
    fleet.start(LEASE_SECONDS="30")
    nodes = [node(namespace, "a"), node(namespace, "b")]
    async with FakeKubelet(rest, nodes) as kubelet, FakeProvisioner(rest, f"{namespace}-disk", default=True):
        await apply(rest, namespace, gpu_pipeline(namespace, {}, replicas=4))
        said = "2 of 4 STT pods wait for nvidia.com/gpu: 0/"
        starved = await condition(
            rest, namespace, "voice", "Degraded", status="True", reason="GpuUnavailable", saying=said
        )
        assert "nodes have one free" in starved["message"]

        await eventually(partial(two_ready, rest, namespace), "the two that have a GPU")
        ready: list[int] = []
        watching = asyncio.create_task(fewest_ready(rest, namespace, ready))
        await apply(rest, namespace, gpu_pipeline(namespace, {}, replicas=4, beamSize=1))
        await rolled_out(rest, namespace, "1", 2)
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        assert min(ready) >= 1

        for name in ("c", "d"):
            await kubelet.add_node(node(namespace, name))
        await condition(rest, namespace, "voice", "SttReady", status="True", reason="AllReady")
        assert (await deployment(rest, namespace))["status"]["readyReplicas"] == 4


@pytest.mark.timeout(300)
async def test_devices_are_claimed_and_mig_slices_asked_for(
    fleet: Operators, cluster_rest: Rest, cluster_namespace: str
):
    """By DRA each worker gets a device of the class; a class that has none left is said by name. Another spec asks for
    a MIG profile instead, and the claims go.
    """
    rest, namespace = cluster_rest, cluster_namespace
    fleet.start(LEASE_SECONDS="30")
    device_class, profile = f"{namespace}.gpus.example", "nvidia.com/mig-1g.10gb"
    one = FakeNode(f"{namespace}-a", extended={profile: 2}, labels={POOL: namespace})
    async with FakeKubelet(rest, [one]), FakeProvisioner(rest, f"{namespace}-disk", default=True):
        await publish_devices(rest, device_class, {one.name: 1})
        try:
            dra = {"dra": {"deviceClassName": device_class}}
            await apply(rest, namespace, gpu_pipeline(namespace, dra, replicas=2))
            said = f"1 of 2 STT pods wait for {device_class}: 0/"
            await condition(rest, namespace, "voice", "Degraded", status="True", reason="GpuUnavailable", saying=said)
            claims = await rest.items(f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims")
            assert sum("allocation" in claim.get("status", {}) for claim in claims) == 1

            await apply(rest, namespace, gpu_pipeline(namespace, {"resourceName": profile}, replicas=2))
            await eventually(partial(all_ask_for, rest, namespace, profile, 2), "two workers with a slice each")
            await condition(rest, namespace, "voice", "SttReady", status="True", reason="AllReady")
        finally:
            await withdraw_devices(rest, device_class)


async def rolled_out(rest: Rest, namespace: str, beam_size: str, at_least: int) -> None:
    """Wait until so many ready pods have the new template, and no pod has another.

    Raises:
        TimeoutError: the rollout stands still.
    """
    async with asyncio.timeout(120):
        while True:
            pods = await rest.items(f"/api/v1/namespaces/{namespace}/pods", **STT)
            running = [pod for pod in pods if pod["spec"].get("nodeName")]
            if len(running) >= at_least and all(_is_new(pod, beam_size) for pod in running):
                return
            await asyncio.sleep(0.1)


def _is_new(pod: dict[str, Any], beam_size: str) -> bool:
    env = {item["name"]: item.get("value") for item in pod["spec"]["containers"][0]["env"]}
    ready = any(
        item["type"] == "Ready" and item["status"] == "True" for item in pod.get("status", {}).get("conditions", [])
    )
    return env["BEAM_SIZE"] == beam_size and ready
