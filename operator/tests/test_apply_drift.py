"""Whatever is done to the children, and in whatever order wishes come, the end is the same."""

import random

import pytest
from random_edits import damaged, essence, wish
from reconcile_support import SPEC, World, world

from speechpipe_operator.objects import Object, Ref
from speechpipe_operator.testing.rest import ApiError, Rest

__all__ = ["world"]

EDITS = 100
DELETIONS = 0.15
"""Share of the children that are deleted instead, and of the edits that are refused and then lead to that."""
CHANGES = 50
EVERYTHING = (
    SPEC.replace("gateway: {", "gateway: {ingress: {host: a.example.org}, autoscaling: {maxReplicas: 3}, ")
    + "podTemplate: {metadata: {annotations: {a: b}}}\n"
)


async def test_every_single_edit_is_mended(world: World):
    """A hundred times one field of ours is changed or removed, or a child deleted, Secrets apart; one reconcile mends
    it, with writes to that kind alone, and the next one asks for nothing.
    """
    chance = random.Random(4)
    await world.ask(EVERYTHING)
    await world.reconcile()
    right = essences(await world.children())
    for _ in range(EDITS):
        child, how = await _damage(world, chance.choice(sorted(right)), chance)
        result = await world.reconcile()
        assert not result.report.problems, how
        assert set(world.writes()) <= {f"apply {child.kind}", f"apply {child.kind}/scale"}, how
        assert essences({child: await world.get(child.kind, child.name)})[child] == right[child], how
        await world.reconcile(look=False)
        assert not world.calls, how
    assert essences(await world.children()) == right


async def test_the_order_of_wishes_does_not_matter(world: World, rest: Rest):
    """After fifty random changes of the spec the children are those of a pipeline that was made with the last one."""
    chance = random.Random(11)
    for _ in range(CHANGES - 1):
        await world.ask(wish(chance))
        assert not (await world.reconcile()).report.problems
    await world.ask(EVERYTHING)
    assert not (await world.reconcile()).report.problems
    fresh = await _neighbour(world, rest)
    await fresh.ask(EVERYTHING)
    assert not (await fresh.reconcile()).report.problems
    assert essences(await world.children()) == essences(await fresh.children())


@pytest.mark.parametrize("seed", range(6))
async def test_random_wishes_settle_at_once(world: World, rest: Rest, seed: int):
    """From any wish to any other: one reconcile is enough, the next asks for nothing, and the end is that of a fresh
    start.
    """
    chance = random.Random(100 + seed)
    await world.ask(wish(chance))
    await world.reconcile()
    last = wish(chance)
    await world.ask(last)
    assert not (await world.reconcile()).report.problems
    await world.reconcile()
    assert not world.calls
    fresh = await _neighbour(world, rest)
    await fresh.ask(last)
    assert not (await fresh.reconcile()).report.problems
    assert essences(await world.children()) == essences(await fresh.children())


async def test_a_fight_is_no_hot_loop(world: World):
    """Something undoes each mend at once: after twenty within a minute the mending pauses and says how to find it."""
    await world.ask(SPEC)
    await world.reconcile()
    for _ in range(20):
        await world.edit("Service", "voice-gateway", {"metadata": {"labels": {"app.kubernetes.io/name": "mine"}}})
        assert not (await world.reconcile()).report.problems
    await world.edit("Service", "voice-gateway", {"metadata": {"labels": {"app.kubernetes.io/name": "mine"}}})
    (problem,) = (await world.reconcile()).report.problems
    assert (problem.reason, problem.permanent) == ("Contested", False)
    assert "--show-managed-fields" in problem.message
    assert not world.calls


def essences(found: dict[Ref, Object]) -> dict[Ref, Object]:
    """The children, Secrets apart, as they should be."""
    return {child: essence({"kind": child.kind, **obj}) for child, obj in found.items() if child.kind != "Secret"}


async def _damage(world: World, child: Ref, chance: random.Random) -> tuple[Ref, str]:
    """One edit of the child that the API server accepts, or its deletion; and what was done."""
    path, found = world.path(child.kind, child.name), await world.get(child.kind, child.name)
    while chance.random() > DELETIONS:
        place, changed = damaged(found, chance)
        try:
            stored = await world.rest.put(path, changed, fieldManager="kubectl-edit")
        except ApiError as error:
            if error.status not in (400, 422):
                raise
            continue
        if stored["metadata"]["resourceVersion"] != found["metadata"]["resourceVersion"]:
            return child, f"{child}: {place}"
    await world.rest.delete(path, propagationPolicy="Background")
    return child, f"{child} deleted"


async def _neighbour(world: World, rest: Rest) -> World:
    """A pipeline of the same name in another namespace."""
    name = f"{world.key.namespace}-b"
    metadata = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    await rest.post("/api/v1/namespaces", metadata)
    return World(rest, world.api, name, world.calls)
