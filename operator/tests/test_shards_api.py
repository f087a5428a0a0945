"""Shards on a real API server: they come, they are waited for, they go when they may, and their volumes stay."""

import base64
from dataclasses import replace

import pytest
from reconcile_support import World, world

from speechpipe_operator.objects import CONFIG_ANNOTATION, Object
from speechpipe_operator.observed import Occupancy, ShardUse
from speechpipe_operator.reconcile import PipelineKey, secrets
from speechpipe_operator.testing.rest import ApiError

__all__ = ["world"]

WORKLOADS = {"StatefulSet": ("redis", "redis-1", "redis-2"), "Deployment": ("gateway", "stt")}


def spec(shards: int) -> str:
    """A pipeline with so many."""
    return f"gateway: {{auth: {{mode: none}}}}\nredis: {{managed: {{shards: {shards}}}}}\n"


async def all_ready(world: World, *, without: str = "") -> None:
    """What controllers would say when the newest pods run."""
    for kind, components in WORKLOADS.items():
        for component in components:
            name = f"voice-{component}"
            found = await world.find(kind, name)
            if found is None or component == without:
                continue
            counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 1)
            status = {**counts, "observedGeneration": found["metadata"]["generation"]}
            await world.rest.merge(world.path(kind, name, "status"), {"status": status})


async def urls(world: World, component: str) -> tuple[int, str | None]:
    """How many Redis its pods are told of, and how many of them are to take new sessions."""
    found: Object = await world.get("Deployment", f"voice-{component}")
    container = next(c for c in found["spec"]["template"]["spec"]["containers"] if c["name"] == component)
    env = {item["name"]: item.get("value") for item in container["env"]}
    return env["REDIS_URL"].count("redis://"), env.get("REDIS_SHARDS")


async def sets(world: World) -> list[str]:
    """Names of the StatefulSets."""
    return sorted(child.name for child in await world.children() if child.kind == "StatefulSet")


@pytest.mark.parametrize("number", [0, 17, -1])
async def test_the_api_server_refuses_other_numbers(world: World, number: int):
    """There may be 1 to 16."""
    with pytest.raises(ApiError, match=r"redis\.managed\.shards"):
        await world.ask(spec(number))


async def test_shards_join_behind_the_workers(world: World):
    """From 1 to 3: the new ones are made and workers replaced; gateways only when all of that is ready. The first is
    not touched, and a second turn writes nothing.
    """
    await world.ask(spec(1))
    await world.reconcile()
    await all_ready(world)
    await world.reconcile()
    first = await world.get("StatefulSet", "voice-redis")
    await world.ask(spec(3))
    assert (await world.reconcile()).retry_after
    assert await sets(world) == ["voice-redis", "voice-redis-1", "voice-redis-2"]
    assert await urls(world, "stt") == (3, None)
    assert await urls(world, "gateway") == (1, None)
    await all_ready(world, without="redis-2")
    assert (await world.reconcile()).retry_after
    assert await urls(world, "gateway") == (1, None)
    await all_ready(world)
    result = await world.reconcile()
    assert (result.report.problems, result.retry_after) == ((), None)
    assert await urls(world, "gateway") == (3, None)
    after = await world.get("StatefulSet", "voice-redis")
    assert after["metadata"]["generation"] == first["metadata"]["generation"]
    assert (await world.get("Service", "voice-redis-2"))["spec"]["selector"]["speechpipe.dev/component"] == "redis-2"
    await world.reconcile()
    assert not world.writes()


async def test_a_shard_goes_only_when_it_is_empty(world: World):
    """From 3 to 1: nothing is deleted while anything is on it, or is not known; then the last ones go with their
    Services and policies, and their claims stay.
    """
    look: list[Occupancy | None] = [None]

    def occupancy(_: PipelineKey) -> Occupancy | None:
        return look[0]

    world.deps = replace(world.deps, occupancy=occupancy)
    clock = world.deps.shards._clock
    await world.ask(spec(3))
    await world.reconcile()
    await all_ready(world)
    await claim(world, "voice-redis-2")
    await world.ask(spec(1))
    assert (await world.reconcile()).retry_after
    assert await urls(world, "gateway") == (3, "1")
    assert await urls(world, "stt") == (3, None)
    await all_ready(world)
    await world.reconcile()
    for uses in (
        (ShardUse(1, 0, 0, True), ShardUse(2, 1, 0, True)),
        (ShardUse(1, 0, 1, False), ShardUse(2, 2, 0, True)),
    ):
        look[0] = Occupancy(clock(), uses)
        assert (await world.reconcile()).retry_after
        assert len(await sets(world)) == 3
    look[0] = Occupancy(clock(), (ShardUse(1, 0, 1, False), ShardUse(2, 0, 0, False)))
    await world.reconcile()
    assert await sets(world) == ["voice-redis", "voice-redis-1"]
    await all_ready(world)
    await world.reconcile()
    look[0] = Occupancy(clock(), (ShardUse(1, 0, 0, False),))
    result = await world.reconcile()
    assert (result.report.problems, result.retry_after) == ((), None)
    assert await sets(world) == ["voice-redis"]
    assert await urls(world, "gateway") == await urls(world, "stt") == (1, None)
    left = {child.name for child in await world.children() if child.name.startswith("voice-redis-")}
    assert left == {"voice-redis-auth"}
    assert await world.find("PersistentVolumeClaim", "data-voice-redis-2-0")
    await world.reconcile()
    assert not world.writes()


async def claim(world: World, name: str) -> None:
    """What the StatefulSet's controller makes for its pod."""
    template = (await world.get("StatefulSet", name))["spec"]["volumeClaimTemplates"][0]
    metadata = {"name": f"data-{name}-0", "labels": template["metadata"]["labels"]}
    body = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": template["spec"]}
    await world.rest.post(world.path("PersistentVolumeClaim", ""), body)


async def test_an_operator_that_restarts_in_the_midst_keeps_all(world: World):
    """A new process finds shards beyond the number wanted, and tells gateways before it lets any go."""
    await world.ask(spec(3))
    await world.reconcile()
    await all_ready(world)
    await world.ask(spec(2))
    await world.reconcile()
    world.restart()
    empty = Occupancy(world.deps.shards._clock(), (ShardUse(2, 0, 0, False),))
    world.deps = replace(world.deps, occupancy=lambda _: empty)
    await world.reconcile()
    assert len(await sets(world)) == 3
    assert await urls(world, "gateway") == (3, "2")


async def test_a_new_password_reaches_every_shard_before_any_client(world: World, monkeypatch: pytest.MonkeyPatch):
    """All shards are replaced first and take both; while one of them is not ready, no client has the new one."""
    monkeypatch.setattr(secrets, "FRESH_SECONDS", 0.0)  # each reconcile stands for one that comes later
    await world.ask(spec(3))
    await world.reconcile()
    await all_ready(world)
    await world.reconcile()
    before = await configs(world)
    old = (await world.get("Secret", "voice-redis-auth"))["data"]["password"]
    new = base64.b64encode(b"another").decode()
    await world.edit("Secret", "voice-redis-auth", {"data": {"password": new, "password-previous": old}})
    await world.reconcile()
    told = await configs(world)
    assert {name for name in told if told[name] != before[name]} == {"redis", "redis-1", "redis-2"}
    await all_ready(world, without="redis-1")
    await world.reconcile()
    assert await configs(world) == told
    await all_ready(world)
    await world.reconcile()
    after = await configs(world)
    assert {name for name in after if after[name] != told[name]} == {"gateway", "stt"}


async def configs(world: World) -> dict[str, str]:
    """Of each component, what its pods read only when they start."""
    found = {}
    for kind, components in WORKLOADS.items():
        for component in components:
            template = (await world.get(kind, f"voice-{component}"))["spec"]["template"]
            found[component] = template["metadata"]["annotations"][CONFIG_ANNOTATION]
    return found
