"""Only what is ours is written or deleted, whatever the cache believes."""

import copy

from reconcile_support import SPEC, World, world

from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL, Object, Ref

__all__ = ["world"]

SERVICE = ("Service", "voice-gateway")
STT = ("Deployment", "voice-stt")


def foreign_service(world: World, **labels: str) -> Object:
    """Somebody's own Service, called like a child."""
    metadata = {"name": SERVICE[1], "namespace": world.key.namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 9999}]}}


async def test_an_object_of_others_is_never_seized(world: World):
    """A Service of that name that is not ours stays as it is to the last byte; the report says so and what to do; all
    other children are made, and nothing is pruned.
    """
    theirs = await world.rest.post(world.path("Service", ""), foreign_service(world))
    await world.ask(SPEC)
    result = await world.reconcile()
    (problem,) = result.report.problems
    assert (problem.reason, problem.child) == ("NameConflict", Ref(*SERVICE))
    assert "rename or delete it" in problem.message
    assert await world.get(*SERVICE) == theirs
    assert await world.find(*STT)
    await world.rest.delete(world.path(*SERVICE))
    assert not (await world.reconcile()).report.problems
    assert (await world.get(*SERVICE))["spec"]["ports"][0]["port"] == 80


async def test_our_labels_make_nothing_ours(world: World):
    """An object with our labels and no owner is neither seized nor pruned."""
    labels = {PIPELINE_LABEL: "voice", COMPONENT_LABEL: "gateway"}
    theirs = await world.rest.post(world.path("Service", ""), foreign_service(world, **labels))
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "look-alike", "labels": labels}}
    alike = await world.rest.post(world.path("ConfigMap", ""), other)
    await world.ask(SPEC)
    assert [item.reason for item in (await world.reconcile()).report.problems] == ["NameConflict"]
    await world.rest.delete(world.path(*SERVICE))
    result = await world.reconcile()
    assert not result.report.problems
    assert not result.report.pruned
    assert await world.get("ConfigMap", "look-alike") == alike
    assert theirs["metadata"]["uid"] != (await world.get(*SERVICE))["metadata"]["uid"]


async def test_another_pipelines_child_is_not_pruned(world: World):
    """A look-alike with our labels that another object controls is left alone."""
    await world.ask(SPEC)
    await world.reconcile()
    ours = await world.get("ConfigMap", "voice-redis")
    metadata = {"name": "twin", "labels": ours["metadata"]["labels"]}
    owner = {**ours["metadata"]["ownerReferences"][0], "uid": "00000000-0000-0000-0000-000000000000", "name": "other"}
    twin = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {**metadata, "ownerReferences": [owner]}}
    await world.rest.post(world.path("ConfigMap", ""), twin)
    assert not (await world.reconcile()).report.pruned
    assert await world.find("ConfigMap", "twin")


async def test_an_object_made_under_our_hands_is_not_seized(world: World):
    """The cache is behind: it believes a child to be absent, or to be ours, and somebody else's object is there."""
    await world.ask(SPEC)
    await world.reconcile()
    await world.rest.delete(world.path(*SERVICE))
    theirs = await world.rest.post(world.path("Service", ""), foreign_service(world))
    await world.ask(SPEC.replace("gateway: {", "gateway: {service: {port: 81}, "))
    result = await world.reconcile(look=False)
    assert [(item.reason, item.child) for item in result.report.problems] == [("NameConflict", Ref(*SERVICE))]
    assert await world.get(*SERVICE) == theirs
    world.restart()
    result = await world.reconcile(look=False)
    assert [item.reason for item in result.report.problems] == ["NameConflict"]
    assert await world.get(*SERVICE) == theirs


async def test_what_a_deleted_namesake_left_is_waited_for(world: World):
    """A child of a pipeline of this name that was deleted is not seized either; the problem is said to pass."""
    await world.ask(SPEC)
    await world.reconcile()
    old = await world.get(*SERVICE)
    world.resource = copy.deepcopy(world.resource)
    world.resource["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    await world.look()
    result = await world.reconcile()
    assert {item.reason for item in result.report.problems} == {"NameConflict"}
    assert not any(item.permanent for item in result.report.problems)
    assert await world.get(*SERVICE) == old


async def test_a_child_that_lost_our_label_is_still_ours(world: World):
    """A removed label hides a child from the watch; it is found by its name, and labelled again."""
    await world.ask(SPEC)
    await world.reconcile()
    await world.edit(*SERVICE, {"metadata": {"labels": {PIPELINE_LABEL: None}}})
    result = await world.reconcile()
    assert not result.report.problems
    assert result.report.applied == (Ref(*SERVICE),)
    assert (await world.get(*SERVICE))["metadata"]["labels"][PIPELINE_LABEL] == "voice"


async def test_a_removed_component_is_pruned(world: World):
    """Without its translation section a pipeline has none of that component's objects, and all of the others."""
    await world.ask(SPEC)
    await world.reconcile()
    await world.ask(SPEC.replace("translation: {replicas: 2}", ""))
    result = await world.reconcile()
    assert Ref("Deployment", "voice-translation") in result.report.pruned
    left = await world.children()
    assert not [child for child in left if "translation" in child.name]
    assert {Ref(*STT), Ref(*SERVICE), Ref("StatefulSet", "voice-redis")} < set(left)
    await world.reconcile()
    assert not world.calls


async def test_nothing_is_pruned_after_a_failure(world: World):
    """While any child has a problem, what is no longer wanted stays."""
    await world.ask(SPEC)
    await world.reconcile()
    await world.rest.delete(world.path(*SERVICE))
    await world.rest.post(world.path("Service", ""), foreign_service(world))
    await world.ask(SPEC.replace("translation: {replicas: 2}", ""))
    result = await world.reconcile()
    assert result.report.problems
    assert not result.report.pruned
    assert await world.find("Deployment", "voice-translation")


async def test_a_stale_cache_deletes_no_new_object(world: World):
    """A child that the cache wants pruned has been replaced by somebody's own object of that name: it stays."""
    await world.ask(SPEC)
    await world.reconcile()
    name = ("PodDisruptionBudget", "voice-translation")
    await world.rest.delete(world.path(*name))
    metadata = {"name": name[1], "labels": {PIPELINE_LABEL: "voice"}}
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}
    theirs = {"apiVersion": "policy/v1", "kind": name[0], "metadata": metadata, "spec": spec}
    made = await world.rest.post(world.path(name[0], ""), theirs)
    await world.ask(SPEC.replace("translation: {replicas: 2}", ""))
    result = await world.reconcile(look=False)
    assert Ref("Deployment", "voice-translation") in result.report.pruned
    assert Ref(*name) not in result.report.pruned
    assert await world.get(*name) == made


async def test_data_is_never_pruned(world: World):
    """A pipeline that gives up its model cache and its managed Redis keeps the claims, and the password's Secret."""
    cache = "stt: {modelCache: {pvc: {size: 1Gi}}}\n"
    await world.ask("gateway: {auth: {mode: none}}\n" + cache)
    await world.reconcile()
    children = await world.children()
    kept = {child for child in children if child.kind in ("PersistentVolumeClaim", "Secret")}
    assert {child.kind for child in kept} == {"PersistentVolumeClaim", "Secret"}
    await world.ask("gateway: {auth: {mode: none}}\nredis: {external: {url: 'redis://there:6379'}}\n")
    result = await world.reconcile()
    assert Ref("StatefulSet", "voice-redis") in result.report.pruned
    assert kept <= set(await world.children())


async def test_a_claim_template_goes_after_its_last_replica_set(world: World):
    """A ResourceClaimTemplate that is no longer wanted stays while any ReplicaSet makes pods with it."""
    dra = "gateway: {auth: {mode: none}}\nstt: {gpu: {count: COUNT, dra: {deviceClassName: gpu.example.com}}}\n"
    await world.ask(dra.replace("COUNT", "1"))
    await world.reconcile()
    (old,) = [child for child in await world.children() if child.kind == "ResourceClaimTemplate"]
    deployment = await world.get(*STT)
    replica_set = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "voice-stt-1", "labels": deployment["metadata"]["labels"]},
        "spec": {key: deployment["spec"][key] for key in ("selector", "template")},
    }
    await world.rest.post(world.path("ReplicaSet", ""), replica_set)
    await world.ask(dra.replace("COUNT", "2"))
    assert not (await world.reconcile()).report.pruned
    assert len([child for child in await world.children() if child.kind == "ResourceClaimTemplate"]) == 2
    await world.rest.delete(world.path("ReplicaSet", "voice-stt-1"))
    assert (await world.reconcile()).report.pruned == (old,)
