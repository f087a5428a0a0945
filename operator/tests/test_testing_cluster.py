"""The cluster that the operator's tests run on: real controllers and scheduler, nodes that only pretend."""

import asyncio
from collections.abc import Callable
from typing import Any

from speechpipe_common.testing import eventually
from speechpipe_operator.testing.control_plane import API_SERVER, ETCD, ControlPlane
from speechpipe_operator.testing.dra import claim_template, publish_devices, withdraw_devices
from speechpipe_operator.testing.fates import READY, STARTING, PodFate, crash_loop, image_pull
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest
from speechpipe_operator.testing.volumes import FakeProvisioner

SELECTOR = "kubernetes.io/hostname"


def pod_spec(**more: Any) -> dict[str, Any]:
    """A pod with one container."""
    return {"containers": [{"name": "main", "image": "made/up:1", **more}]}


def template(name: str, spec: dict[str, Any]) -> dict[str, Any]:
    """A pod template that its selector finds."""
    return {"metadata": {"labels": {"app": name}}, "spec": spec}


def on(node: str) -> dict[str, Any]:
    """Keeps a pod to the test's own node, since the cluster is shared."""
    return {"nodeSelector": {SELECTOR: node}}


async def test_a_deployment_becomes_ready_pods(cluster_rest: Rest, cluster_namespace: str) -> None:
    """The real controllers make pods of a Deployment, the scheduler places them, and they are Ready on a fake node."""
    node = f"{cluster_namespace}-cpu"
    apps = f"/apis/apps/v1/namespaces/{cluster_namespace}/deployments"
    async with FakeKubelet(cluster_rest, [FakeNode(node)]):
        body = {"replicas": 3, "selector": {"matchLabels": {"app": "web"}}}
        body["template"] = template("web", pod_spec() | on(node))
        await cluster_rest.post(apps, {"metadata": {"name": "web"}, "spec": body})

        async def available() -> int:
            return (await cluster_rest.get(f"{apps}/web"))["status"].get("availableReplicas", 0)

        await eventually(lambda: _is(available, 3), "three available replicas")


async def test_a_pod_waits_for_a_gpu_and_gets_it(cluster_rest: Rest, cluster_namespace: str) -> None:
    """A pod that asks for a GPU stays Pending with the scheduler's words while no node has one, and runs after."""
    node, pods = f"{cluster_namespace}-gpu", f"/api/v1/namespaces/{cluster_namespace}/pods"
    async with FakeKubelet(cluster_rest, [FakeNode(node)]) as kubelet:
        spec = pod_spec(resources={"limits": {"nvidia.com/gpu": "1"}}) | on(node)
        await cluster_rest.post(pods, {"metadata": {"name": "stt"}, "spec": spec})
        await eventually(lambda: refused(cluster_rest, f"{pods}/stt", "Insufficient nvidia.com/gpu"))
        await kubelet.update_node(FakeNode(node, extended={"nvidia.com/gpu": 1}))
        await eventually(lambda: ready(cluster_rest, f"{pods}/stt"), "the pod is Ready")


async def test_fates_are_seen_as_a_kubelet_tells_them(cluster_rest: Rest, cluster_namespace: str) -> None:
    """A test decides what becomes of each pod, and may change its mind."""
    fates: dict[str, PodFate] = {
        "slow": STARTING,
        "crash": crash_loop("no such model"),
        "pull": image_pull("made/up:1"),
    }
    node, pods = f"{cluster_namespace}-fates", f"/api/v1/namespaces/{cluster_namespace}/pods"

    def fate(pod: dict[str, Any]) -> PodFate:
        return fates[pod["metadata"]["name"]]

    async with FakeKubelet(cluster_rest, [FakeNode(node)], on_start=fate) as kubelet:
        for name in fates:
            await cluster_rest.post(pods, {"metadata": {"name": name}, "spec": pod_spec() | on(node)})
        states = {name: await eventually(lambda: container(cluster_rest, f"{pods}/{name}")) for name in fates}  # noqa: B023
        assert states["slow"]["ready"] is False
        assert "running" in states["slow"]["state"]
        assert states["crash"]["state"]["waiting"]["reason"] == "CrashLoopBackOff"
        assert states["crash"]["lastState"]["terminated"]["message"] == "no such model"
        assert states["pull"]["state"]["waiting"]["reason"] == "ImagePullBackOff"
        assert (await cluster_rest.get(f"{pods}/pull"))["status"]["phase"] == "Pending"
        await kubelet.set_fate(cluster_namespace, "slow", READY)
        assert await ready(cluster_rest, f"{pods}/slow")


async def test_a_deleted_pod_is_let_go_after_its_process(cluster_rest: Rest, cluster_namespace: str) -> None:
    """A deleted pod stays, terminating, until what runs in it has ended; then it is removed."""
    node, pods = f"{cluster_namespace}-stop", f"/api/v1/namespaces/{cluster_namespace}/pods"
    asked, ended = asyncio.Event(), asyncio.Event()

    async def on_stop(pod: dict[str, Any]) -> None:
        asked.set()
        await ended.wait()

    async with FakeKubelet(cluster_rest, [FakeNode(node)], on_stop=on_stop):
        await cluster_rest.post(pods, {"metadata": {"name": "busy"}, "spec": pod_spec() | on(node)})
        await eventually(lambda: ready(cluster_rest, f"{pods}/busy"))
        await cluster_rest.delete(f"{pods}/busy")
        await asyncio.wait_for(asked.wait(), 20)
        assert "deletionTimestamp" in (await cluster_rest.get(f"{pods}/busy"))["metadata"]
        ended.set()
        await eventually(lambda: gone(cluster_rest, f"{pods}/busy"), "the pod is gone")


async def test_a_cluster_goes_on_after_outages(
    cluster: ControlPlane, cluster_rest: Rest, cluster_namespace: str
) -> None:
    """With API server and etcd killed and started again, objects are kept, and pods come and go as before."""
    node, pods = f"{cluster_namespace}-outage", f"/api/v1/namespaces/{cluster_namespace}/pods"
    async with FakeKubelet(cluster_rest, [FakeNode(node)]):
        await cluster_rest.post(pods, {"metadata": {"name": "before"}, "spec": pod_spec() | on(node)})
        await eventually(lambda: ready(cluster_rest, f"{pods}/before"))
        for part in (API_SERVER, ETCD):
            await asyncio.to_thread(cluster.restart, part)
        assert await ready(cluster_rest, f"{pods}/before")
        await cluster_rest.post(pods, {"metadata": {"name": "after"}, "spec": pod_spec() | on(node)})
        await eventually(lambda: ready(cluster_rest, f"{pods}/after"), "a pod made after the outage is Ready")
        await cluster_rest.delete(f"{pods}/before")
        await eventually(lambda: gone(cluster_rest, f"{pods}/before"), "a pod made before the outage is gone")


async def test_claims_get_volumes_that_grow(cluster_rest: Rest, cluster_namespace: str) -> None:
    """A claim is bound once its pod is placed, and its capacity follows what it asks for."""
    node, core = f"{cluster_namespace}-disk", f"/api/v1/namespaces/{cluster_namespace}"
    claim = f"{core}/persistentvolumeclaims/data"
    async with (
        FakeKubelet(cluster_rest, [FakeNode(node)]),
        FakeProvisioner(cluster_rest, cluster_namespace) as provisioner,
    ):
        spec = {"storageClassName": provisioner.name, "accessModes": ["ReadWriteOnce"], **storage("1Gi")}
        await cluster_rest.post(f"{core}/persistentvolumeclaims", {"metadata": {"name": "data"}, "spec": spec})
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
        pod = pod_spec() | on(node) | {"volumes": [volume]}
        await cluster_rest.post(f"{core}/pods", {"metadata": {"name": "redis"}, "spec": pod})
        await eventually(lambda: ready(cluster_rest, f"{core}/pods/redis"), "the pod with a volume is Ready")
        await cluster_rest.merge(claim, {"spec": storage("2Gi")})

        async def capacity() -> str:
            return (await cluster_rest.get(claim))["status"]["capacity"]["storage"]

        await eventually(lambda: _is(capacity, "2Gi"), "the claim has grown")


async def test_a_device_claim_is_allocated(cluster_rest: Rest, cluster_namespace: str) -> None:
    """A pod with a ResourceClaimTemplate gets a device of its node's ResourceSlice; the next one waits for another."""
    node, pods = f"{cluster_namespace}-dra", f"/api/v1/namespaces/{cluster_namespace}/pods"
    api = f"/apis/resource.k8s.io/v1/namespaces/{cluster_namespace}"
    kind = f"{cluster_namespace}.gpu.example.com"
    spec = pod_spec(resources={"claims": [{"name": "gpu"}]}) | on(node)
    spec["resourceClaims"] = [{"name": "gpu", "resourceClaimTemplateName": "one"}]
    async with FakeKubelet(cluster_rest, [FakeNode(node)]):
        await publish_devices(cluster_rest, kind, {node: 1})
        await cluster_rest.post(f"{api}/resourceclaimtemplates", claim_template("one", kind))
        await cluster_rest.post(pods, {"metadata": {"name": "first"}, "spec": spec})
        await eventually(lambda: ready(cluster_rest, f"{pods}/first"), "the pod with a device is Ready")
        (claim,) = await cluster_rest.items(f"{api}/resourceclaims")
        assert claim["status"]["allocation"]["devices"]["results"][0]["pool"] == node
        await cluster_rest.post(pods, {"metadata": {"name": "second"}, "spec": spec})
        await eventually(lambda: refused(cluster_rest, f"{pods}/second", "cannot allocate all claims"))
        await withdraw_devices(cluster_rest, kind)


def storage(size: str) -> dict[str, Any]:
    """The part of a claim that says how much it wants."""
    return {"resources": {"requests": {"storage": size}}}


async def _is(ask: Callable[[], Any], wanted: object) -> bool:
    return bool(await ask() == wanted)


async def refused(rest: Rest, pod: str, words: str) -> bool:
    """Whether the scheduler says, in these words, that it can't place a pod."""
    conditions = (await rest.get(pod)).get("status", {}).get("conditions", [])
    return any(c["type"] == "PodScheduled" and c["status"] == "False" and words in c["message"] for c in conditions)


async def ready(rest: Rest, pod: str) -> bool:
    """Whether a pod is Ready."""
    conditions = (await rest.get(pod)).get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


async def container(rest: Rest, pod: str) -> dict[str, Any]:
    """Status of a pod's first container, empty until there is one."""
    statuses: list[dict[str, Any]] = (await rest.get(pod)).get("status", {}).get("containerStatuses", [])
    return statuses[0] if statuses else {}


async def gone(rest: Rest, path: str) -> bool:
    """Whether there is no such object (any more)."""
    return await rest.find(path) is None
