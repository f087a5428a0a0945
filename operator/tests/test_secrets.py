"""Passwords are made once and kept, change in an order that keeps everybody connected, and are never listed."""

import base64

import pytest
from reconcile_support import SPEC, World, world

from speechpipe_operator.objects import CONFIG_ANNOTATION, Ref
from speechpipe_operator.reconcile import secrets
from speechpipe_operator.testing.rest import ApiError

__all__ = ["world"]

SECRET = ("Secret", "voice-redis-auth")
EXTERNAL = "gateway: {auth: {secretRef: {name: callers, key: keys}}}\n" + (
    "redis: {external: {secretRef: {name: shared, key: url}}}\nimages: {pullSecrets: [mirror]}\n"
)


@pytest.fixture(autouse=True)
def _always_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was read is believed: each reconcile stands for one that comes later."""
    monkeypatch.setattr(secrets, "FRESH_SECONDS", 0.0)


async def test_a_password_is_made_once_and_kept(world: World):
    """The Secret is created with a random password, and reconciles, new operators and additions by others never touch
    it again.
    """
    await world.ask(SPEC)
    await world.reconcile()
    made = await world.get(*SECRET)
    assert len(base64.b64decode(made["data"]["password"])) == 32
    await world.edit(*SECRET, {"metadata": {"annotations": {"a": "b"}}, "stringData": {"extra": "x"}})
    before = await world.get(*SECRET)
    await world.reconcile()
    world.restart()
    await world.reconcile()
    assert await world.get(*SECRET) == before
    assert not any("Secret" in call and not call.startswith(("get ", "create ")) for call in world.calls)


async def test_no_password_comes_twice(world: World):
    """A Secret that was deleted comes back with another password."""
    await world.ask(SPEC)
    await world.reconcile()
    first = (await world.get(*SECRET))["data"]["password"]
    await world.rest.delete(world.path(*SECRET))
    await world.reconcile()
    assert (await world.get(*SECRET))["data"]["password"] != first


@pytest.mark.parametrize(("resync", "age", "seen"), [(600.0, 29.0, "old"), (600.0, 31.0, "new"), (8.0, 5.0, "new")])
async def test_a_secret_is_believed_for_half_a_minute_and_never_beyond_the_next_look(
    world: World, monkeypatch: pytest.MonkeyPatch, resync: float, age: float, seen: str
):
    """A Secret is read anew after 30 s, and after half the time between two looks where that is less."""
    monkeypatch.setattr(secrets, "FRESH_SECONDS", 30.0)
    now = [1000.0]
    known = secrets.Secrets(lambda: now[0], resync)
    await world.ask(SPEC)
    await world.reconcile()
    before = await known.look(world.api, world.key.namespace, SECRET[1])
    await world.edit(*SECRET, {"stringData": {"password": "another"}})
    now[0] += age
    after = await known.look(world.api, world.key.namespace, SECRET[1])
    assert before is not None
    assert after is not None
    assert ("old" if after.sums == before.sums else "new") == seen


async def test_a_lost_password_replaces_redis_first(world: World):
    """After the Secret was deleted there is a new one; Redis's pods are replaced at once, its clients' when Redis is
    ready with it.
    """
    await world.ask(SPEC)
    await world.reconcile()
    await _redis_is_ready(world)
    await world.reconcile()
    redis, stt = await _configs(world)
    await world.rest.delete(world.path(*SECRET))
    result = await world.reconcile()
    assert result.retry_after
    assert await world.find(*SECRET)
    redis_after, stt_meanwhile = await _configs(world)
    assert redis_after != redis
    assert stt_meanwhile == stt
    await world.reconcile()
    assert (await _configs(world)) == (redis_after, stt)
    await _redis_is_ready(world)
    assert (await world.reconcile()).retry_after is None
    assert (await _configs(world))[1] != stt
    await world.reconcile()
    assert not world.writes()


async def test_a_changed_password_replaces_redis_first(world: World):
    """The same for a change by hand, which leaves the old password valid; taking that away replaces Redis alone."""
    await world.ask(SPEC)
    await world.reconcile()
    await _redis_is_ready(world)
    redis, stt = await _configs(world)
    old = (await world.get(*SECRET))["data"]["password"]
    new = base64.b64encode(b"another").decode()
    await world.edit(*SECRET, {"data": {"password": new, "password-previous": old}})
    await world.reconcile()
    rolled = await _configs(world)
    assert (rolled[0] != redis, rolled[1]) == (True, stt)
    await _redis_is_ready(world)
    await world.reconcile()
    followed = await _configs(world)
    assert (followed[0], followed[1] != stt) == (rolled[0], True)
    await world.edit(*SECRET, {"data": {"password-previous": None}})
    await world.reconcile()
    ended = await _configs(world)
    assert (ended[0] != rolled[0], ended[1]) == (True, followed[1])


async def test_a_secret_of_others_is_neither_used_nor_seized(world: World):
    """A Secret of that name that is not ours stays, and nothing is made that would read it."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET[1]}, "stringData": {"password": "theirs"}}
    theirs = await world.rest.post(world.path("Secret", ""), body)
    await world.ask(SPEC)
    result = await world.reconcile()
    assert [(item.reason, item.child) for item in result.report.problems] == [("NameConflict", Ref(*SECRET))]
    assert await world.get(*SECRET) == theirs
    assert not await world.children()


async def test_missing_secrets_are_named(world: World):
    """Secrets that the spec names and that are not there, or lack the key, are named; the workloads are made anyway,
    and it is looked again soon.
    """
    await world.ask(EXTERNAL)
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "callers"}, "stringData": {"other": "x"}}
    await world.rest.post(world.path("Secret", ""), body)
    result = await world.reconcile()
    assert set(result.observed.missing_secrets) == {"callers/keys", "shared", "mirror"}
    assert result.retry_after
    assert await world.find("Deployment", "voice-stt")
    for name, key in (("shared", "url"), ("mirror", ".dockerconfigjson")):
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {key: "redis://x"}}
        await world.rest.post(world.path("Secret", ""), body)
    await world.edit("Secret", "callers", {"stringData": {"keys": "{}"}})
    result = await world.reconcile()
    assert result.observed.missing_secrets == ()
    assert result.retry_after is None


async def test_an_address_that_changes_replaces_its_readers(world: World):
    """A new value of a Secret that is read at start replaces pods; its disappearance does not."""
    await world.ask(EXTERNAL)
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shared"}, "stringData": {"url": "redis://a"}}
    await world.rest.post(world.path("Secret", ""), body)
    await world.reconcile()
    first = await _config(world, "Deployment", "voice-stt")
    await world.edit("Secret", "shared", {"stringData": {"url": "redis://b"}})
    await world.reconcile()
    second = await _config(world, "Deployment", "voice-stt")
    assert first != second
    await world.rest.delete(world.path("Secret", "shared"))
    assert "shared" in (await world.reconcile()).observed.missing_secrets
    assert await _config(world, "Deployment", "voice-stt") == second
    with pytest.raises(ApiError, match="404"):
        await world.get("Secret", "shared")


async def _config(world: World, kind: str, name: str) -> str:
    template = (await world.get(kind, name))["spec"]["template"]
    checksum: str = template["metadata"].get("annotations", {}).get(CONFIG_ANNOTATION, "")
    return checksum


async def _configs(world: World) -> tuple[str, str]:
    """Of Redis, and of a client of it."""
    return await _config(world, "StatefulSet", "voice-redis"), await _config(world, "Deployment", "voice-stt")


async def _redis_is_ready(world: World) -> None:
    """What its controller would say when the newest pod runs."""
    found = await world.get("StatefulSet", "voice-redis")
    counts = dict.fromkeys(("replicas", "readyReplicas", "updatedReplicas", "availableReplicas"), 1)
    status = {**counts, "observedGeneration": found["metadata"]["generation"]}
    await world.rest.merge(world.path("StatefulSet", "voice-redis", "status"), {"status": status})
