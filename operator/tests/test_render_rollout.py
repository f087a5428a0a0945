"""Rendered pods on the real controllers and scheduler, with a node that only pretends."""

from functools import partial

from render_support import component_of, of, rendered

from speechpipe_common.testing import eventually
from speechpipe_operator.objects import FIELD_MANAGER, Object
from speechpipe_operator.render import with_replicas
from speechpipe_operator.testing.dra import publish_devices, withdraw_devices
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest

PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps/{}",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments/{}",
    "ResourceClaimTemplate": "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaimtemplates/{}",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts/{}",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets/{}",
}
"""What pods need to run; the rest is tested without controllers."""
WORKERS = 2


async def test_gpu_workers_roll_where_every_gpu_is_taken(cluster_rest: Rest, cluster_namespace: str) -> None:
    """In a restricted namespace every workload gets its pods; another model then replaces all workers on a node whose
    GPUs are all taken, and there is never more than one worker missing.
    """
    rest, namespace = cluster_rest, cluster_namespace
    label = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
    await rest.merge(f"/api/v1/namespaces/{namespace}", label)
    node = FakeNode(f"{namespace}-gpus", extended={"nvidia.com/gpu": WORKERS})
    async with FakeKubelet(rest, [node]):
        for path in await _apply(rest, namespace, _objects(namespace, node.name, "{model: base, gpu: {}}")):
            await eventually(partial(_ready, rest, path), path)
        stt = PATHS["Deployment"].format(namespace, "x-stt")
        await _apply(rest, namespace, _objects(namespace, node.name, "{model: small, gpu: {}}"))
        fewest = WORKERS

        async def rolled() -> bool:
            nonlocal fewest
            status = (await rest.get(stt))["status"]
            fewest = min(fewest, status.get("readyReplicas", 0))
            return status.get("updatedReplicas", 0) == status.get("replicas") == WORKERS and await _ready(rest, stt)

        await eventually(rolled, "all workers have the new model")
        assert fewest >= WORKERS - 1


async def test_claimed_devices_are_allocated(cluster_rest: Rest, cluster_namespace: str) -> None:
    """A worker with DRA gets the devices that its claim template asks for, by the real scheduler."""
    rest, namespace = cluster_rest, cluster_namespace
    node, devices = FakeNode(f"{namespace}-dra"), f"{namespace}.example.com"
    async with FakeKubelet(rest, [node]):
        await publish_devices(rest, devices, {node.name: 2 * WORKERS})
        try:
            selector = f'device.attributes["{devices}"].index >= 0'
            gpu = f"{{count: 2, dra: {{deviceClassName: {devices}, selectors: ['{selector}']}}}}"
            workloads = await _apply(rest, namespace, _objects(namespace, node.name, f"{{gpu: {gpu}}}"))
            await eventually(partial(_ready, rest, workloads[-1]), "workers with devices")
            claims = await rest.items(f"/apis/resource.k8s.io/v1/namespaces/{namespace}/resourceclaims")
            counts = [len(claim["status"]["allocation"]["devices"]["results"]) for claim in claims]
            assert counts == [2] * WORKERS
        finally:
            await withdraw_devices(rest, devices)


def _objects(namespace: str, node: str, stt: str) -> list[Object]:
    spec = (
        "  redis: {managed: {memory: 64Mi, persistence: none}}\n"
        f"  podTemplate: {{spec: {{nodeSelector: {{kubernetes.io/hostname: {node}}}}}}}\n"
        f"  stt: {stt}\n"
    )
    return [obj for obj in rendered(of(spec), namespace=namespace) if obj["kind"] in PATHS]


async def _apply(rest: Rest, namespace: str, objects: list[Object]) -> list[str]:
    """The paths of the workloads, after applying everything."""
    workloads = []
    for obj in objects:
        path = PATHS[obj["kind"]].format(namespace, obj["metadata"]["name"])
        # Nobody owns the pipeline here, and the garbage collector would take its children for orphans.
        del obj["metadata"]["ownerReferences"]
        worker = obj["kind"] == "Deployment" and component_of(obj) == "stt"
        await rest.apply(path, with_replicas(obj, WORKERS) if worker else obj, FIELD_MANAGER)
        if "template" in obj.get("spec", {}):
            workloads.append(path)
    return workloads


async def _ready(rest: Rest, path: str) -> bool:
    found = await rest.get(path)
    status, generation = found["status"], found["metadata"]["generation"]
    wanted = found["spec"]["replicas"]
    return status.get("observedGeneration") == generation and status.get("readyReplicas", 0) == wanted
