"""Volumes grow in place, with their pods running, and never shrink."""

from collections.abc import AsyncIterator

import pytest_asyncio
from reconcile_support import World, counting, world

from speechpipe_common.testing import eventually
from speechpipe_operator.objects import Object, Ref
from speechpipe_operator.observed import ApplyProblem
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest

__all__ = ["world"]

REDIS = ("StatefulSet", "voice-redis")
CLAIM = ("PersistentVolumeClaim", "data-voice-redis-0")
CACHE = ("PersistentVolumeClaim", "voice-stt-models")


def spec(size: str) -> str:
    """A pipeline whose Redis has a volume of that size."""
    storage = f"{{size: {size}, storageClassName: growing}}"
    return f"gateway: {{auth: {{mode: none}}}}\nredis: {{managed: {{storage: {storage}}}}}\n"


def cached(size: str) -> str:
    """A pipeline whose workers share a volume of that size for models."""
    claim = f"{{pvc: {{size: {size}, storageClassName: growing}}}}"
    return f"gateway: {{auth: {{mode: none}}}}\nstt: {{modelCache: {claim}}}\n"


@pytest_asyncio.fixture
async def grown(
    cluster: ControlPlane, cluster_rest: Rest, cluster_namespace: str, cluster_crd: str
) -> AsyncIterator[World]:
    """A namespace on a control plane with controllers, and a StorageClass whose volumes may grow."""
    client = cluster.api()
    api, calls = counting(cluster, client)
    await _storage_class(cluster_rest)
    yield World(cluster_rest, api, cluster_namespace, calls)
    await client.close()


async def test_a_volume_grows_under_its_pod(grown: World):
    """A larger size is written into the claim; the StatefulSet is made anew around the pod, which is the same one."""
    await grown.ask(spec("1Gi"))
    await grown.reconcile()
    pod = await eventually(lambda: grown.find("Pod", "voice-redis-0"), "the pod of Redis")
    await _bound(grown, CLAIM)
    old = await grown.get(*REDIS)
    await grown.ask(spec("3Gi"))
    assert not (await grown.reconcile()).report.problems
    assert _size(await grown.get(*CLAIM)) == "3Gi"
    await eventually(lambda: _gone(grown, old), "the old StatefulSet goes")
    assert not (await grown.reconcile()).report.problems
    new = await grown.get(*REDIS)
    assert _size(new["spec"]["volumeClaimTemplates"][0]) == "3Gi"
    adopted = await eventually(lambda: _adopted(grown, new), "the new StatefulSet takes the pod")
    assert adopted["metadata"]["uid"] == pod["metadata"]["uid"]
    assert "deletionTimestamp" not in adopted["metadata"]
    await grown.reconcile()
    assert not grown.calls


async def test_a_smaller_size_is_refused(world: World):
    """A wish to shrink is said with the real size, and everything else of that wish is carried out."""
    await _storage_class(world.rest)
    await world.ask(spec("5Gi"))
    await world.reconcile()
    await _claim(world, CLAIM, await world.get(*REDIS))
    await _lower(world, spec("2Gi") + "priorityClassName: system-cluster-critical\n")
    problem = await _only_problem(world)
    assert (problem.reason, problem.child, problem.permanent) == ("StorageShrink", Ref(*REDIS), True)
    assert "5Gi" in problem.message
    assert "2Gi" in problem.message
    found = await world.get(*REDIS)
    assert _size(found["spec"]["volumeClaimTemplates"][0]) == "5Gi"
    assert found["spec"]["template"]["spec"]["priorityClassName"] == "system-cluster-critical"


async def test_external_and_back_shrinks_nothing(world: World):
    """A pipeline that leaves its managed Redis and comes back with a smaller size finds the claim as it was, even where
    the cache does not know it.
    """
    await _storage_class(world.rest)
    await world.ask(spec("5Gi"))
    await world.reconcile()
    await _claim(world, CLAIM, await world.get(*REDIS))
    await world.ask("gateway: {auth: {mode: none}}\nredis: {external: {url: 'redis://there:6379'}}\n")
    assert Ref(*REDIS) in (await world.reconcile()).report.pruned
    await world.ask(spec("1Gi"))
    world.restart()
    result = await world.reconcile(look=False)
    assert [(item.reason, item.child) for item in result.report.problems] == [("StorageShrink", Ref(*REDIS))]
    assert _size((await world.get(*REDIS))["spec"]["volumeClaimTemplates"][0]) == "5Gi"


async def test_a_model_cache_grows_and_does_not_shrink(world: World):
    """The claim for models grows by being applied once it is bound, and keeps its size against a smaller wish."""
    await _storage_class(world.rest)
    await world.ask(cached("10Gi"))
    await world.reconcile()
    await world.ask(cached("20Gi"))
    assert not (await world.reconcile()).report.problems
    assert _size(await world.get(*CACHE)) == "10Gi"
    await _bind(world, CACHE)
    assert not (await world.reconcile()).report.problems
    assert _size(await world.get(*CACHE)) == "20Gi"
    await _lower(world, cached("5Gi"))
    assert (await _only_problem(world)).reason == "StorageShrink"
    assert _size(await world.get(*CACHE)) == "20Gi"


async def test_a_class_that_does_not_expand_is_said(world: World):
    """Where the StorageClass allows no growth, the sentence says so, and the StatefulSet stays as it is."""
    await _storage_class(world.rest, name="fixed", grows=False)
    await world.ask(spec("1Gi").replace("growing", "fixed"))
    await world.reconcile()
    await _claim(world, CLAIM, await world.get(*REDIS))
    before = await world.get(*REDIS)
    await world.ask(spec("3Gi").replace("growing", "fixed"))
    problem = await _only_problem(world)
    assert problem.reason == "Forbidden"
    assert "resize" in problem.message
    assert (await world.get(*REDIS))["metadata"]["uid"] == before["metadata"]["uid"]


async def _storage_class(rest: Rest, name: str = "growing", *, grows: bool = True) -> None:
    body: Object = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name}}
    body |= {"provisioner": "example.org/none", "allowVolumeExpansion": grows}
    await rest.apply(f"/apis/storage.k8s.io/v1/storageclasses/{name}", body, manager="speechpipe-tests")


async def _only_problem(world: World) -> ApplyProblem:
    (problem,) = (await world.reconcile()).report.problems
    return problem


async def _lower(world: World, wish: str) -> None:
    """A smaller size, which the resource's own rules would refuse."""
    larger = dict(world.resource)
    await world.ask("gateway: {auth: {mode: none}}\nredis: {external: {url: 'redis://there:6379'}}\n")
    await world.ask(wish)
    assert larger["metadata"]["uid"] == world.resource["metadata"]["uid"]


async def _claim(world: World, claim: tuple[str, str], stateful_set: Object) -> None:
    """The claim that the controller would make, bound."""
    (template,) = stateful_set["spec"]["volumeClaimTemplates"]
    metadata = {"name": claim[1], "labels": template["metadata"]["labels"]}
    body = {"apiVersion": "v1", "kind": claim[0], "metadata": metadata, "spec": template["spec"]}
    await world.rest.post(world.path(claim[0], ""), body)
    await _bind(world, claim)


async def _bind(world: World, claim: tuple[str, str]) -> None:
    """As if a volume had been found."""
    await world.rest.merge(world.path(*claim), {"spec": {"volumeName": f"{world.key.namespace}-{claim[1]}"}})
    size = _size(await world.get(*claim))
    status = {"phase": "Bound", "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"]}
    await world.rest.merge(world.path(*claim, "status"), {"status": status})


async def _bound(world: World, claim: tuple[str, str]) -> None:
    """A volume for the claim, and the volume controller's binding."""
    found = await eventually(lambda: world.find(*claim), f"{claim[1]}")
    name = f"{world.key.namespace}-{claim[1]}"
    reference = {"namespace": world.key.namespace, "name": claim[1], "uid": found["metadata"]["uid"]}
    volume: Object = {
        "capacity": {"storage": "1Gi"},
        "accessModes": found["spec"]["accessModes"],
        "storageClassName": found["spec"]["storageClassName"],
        "persistentVolumeReclaimPolicy": "Delete",
        "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
        "hostPath": {"path": "/nowhere"},
    }
    body = {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume}
    await world.rest.post("/api/v1/persistentvolumes", body)
    await eventually(lambda: _is_bound(world, claim), f"{claim[1]} is bound")


async def _is_bound(world: World, claim: tuple[str, str]) -> bool:
    return bool((await world.get(*claim)).get("status", {}).get("phase") == "Bound")


async def _gone(world: World, old: Object) -> bool:
    found = await world.find(*REDIS)
    return found is None or found["metadata"]["uid"] != old["metadata"]["uid"]


async def _adopted(world: World, owner: Object) -> Object | None:
    pod = await world.get("Pod", "voice-redis-0")
    owners = pod["metadata"].get("ownerReferences", [])
    return pod if any(item["uid"] == owner["metadata"]["uid"] for item in owners) else None


def _size(claim: Object) -> str:
    size: str = claim["spec"]["resources"]["requests"]["storage"]
    return size
