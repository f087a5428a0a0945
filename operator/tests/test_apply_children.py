"""Children come into being, stay as they should, and leave room for others."""

from reconcile_support import SPEC, World, world

from speechpipe_operator.kube import apply_scale, get_scale
from speechpipe_operator.objects import FIELD_MANAGER, SCALE_MANAGER, Object, Ref

__all__ = ["world"]

STT = Ref("Deployment", "voice-stt")


def managers(obj: Object) -> set[tuple[str, str, str]]:
    """Who owns fields of an object, how, and through what."""
    entries = obj["metadata"]["managedFields"]
    return {(entry["manager"], entry["operation"], entry.get("subresource", "")) for entry in entries}


async def test_children_are_created_owned_and_applied(world: World):
    """One reconcile makes every child: controlled by the pipeline, owned field by field by our manager alone, and the
    workers' replicas by the autoscaler's.
    """
    await world.ask(SPEC)
    result = await world.reconcile()
    assert not result.report.problems
    children = await world.children()
    assert {Ref("StatefulSet", "voice-redis"), STT, Ref("Deployment", "voice-gateway")} < set(children)
    assert set(result.report.applied) == {child for child in children if child.kind != "Secret"}
    ours, scaled = (FIELD_MANAGER, "Apply", ""), (SCALE_MANAGER, "Apply", "scale")
    for child, obj in children.items():
        (owner,) = obj["metadata"]["ownerReferences"]
        assert (owner["controller"], owner["blockOwnerDeletion"]) == (True, False)
        assert "finalizers" not in obj["metadata"]
        if child.kind == "Secret":
            assert managers(obj) == {(FIELD_MANAGER, "Update", "")}
        else:
            worker = child in (STT, Ref("Deployment", "voice-translation"))
            assert managers(obj) == ({ours, scaled} if worker else {ours}), child


async def test_a_second_reconcile_asks_for_nothing(world: World):
    """What is as it should be costs no request at all, whether watches have told of it or only the answers have."""
    await world.ask(SPEC)
    await world.reconcile()
    await world.reconcile(look=False)
    assert not world.calls
    again = await world.reconcile()
    assert not world.calls
    assert not again.report.applied


async def test_a_new_operator_writes_nothing(world: World):
    """An operator that knows nothing applies all children once, which changes none, and then asks for nothing."""
    await world.ask(SPEC)
    await world.reconcile()
    before = await world.versions()
    for look in (True, False):
        world.restart()
        result = await world.reconcile(look=look)
        assert not result.report.problems
        assert not result.report.applied
        assert await world.versions() == before
        await world.reconcile()
        assert not world.calls


async def test_what_others_add_stays_and_costs_nothing(world: World):
    """A foreign annotation, label and container survive; nothing is asked of the server for them; the container is
    reported.
    """
    await world.ask(SPEC)
    await world.reconcile()
    foreign = {"name": "tail", "image": "example.org/tail:1"}
    mine = (await world.get(*_pair(STT)))["spec"]["template"]["spec"]["containers"]
    change = {"metadata": {"annotations": {"example.org/note": "x"}, "labels": {"team": "audio"}}}
    await world.edit(*_pair(STT), {**change, "spec": {"template": {"spec": {"containers": [*mine, foreign]}}}})
    result = await world.reconcile()
    assert not world.calls
    assert result.observed.workload("stt").foreign_containers == ("tail",)
    await world.ask(f"{SPEC}\nproxy: {{httpsProxy: 'http://proxy:3128'}}")
    await world.reconcile()
    found = await world.get(*_pair(STT))
    assert found["metadata"]["annotations"]["example.org/note"] == "x"
    assert found["metadata"]["labels"]["team"] == "audio"
    assert [item["name"] for item in found["spec"]["template"]["spec"]["containers"]] == ["stt", "tail"]


async def test_a_writer_under_our_own_name_is_mended(world: World):
    """A second operator that was thought dead writes an older wish under our manager's name, a field more and a value
    that differs: both are mended, though no other manager has taken anything from us.
    """
    await world.ask(SPEC)
    await world.reconcile()
    right = await world.get("Service", "voice-gateway")
    stale = {name: right["metadata"][name] for name in ("name", "labels", "ownerReferences")}
    stale = {"apiVersion": "v1", "kind": "Service", "metadata": stale | {"annotations": {"old": "wish"}}}
    ports = [{**right["spec"]["ports"][0], "targetPort": 1}]
    stale["spec"] = {"type": "ClusterIP", "selector": right["spec"]["selector"], "ports": ports}
    await world.rest.apply(world.path("Service", "voice-gateway"), stale, manager=FIELD_MANAGER)
    result = await world.reconcile()
    assert result.report.applied == (Ref("Service", "voice-gateway"),)
    mended = await world.get("Service", "voice-gateway")
    assert mended["spec"] == right["spec"]
    assert "annotations" not in mended["metadata"]


async def test_a_dropped_field_is_dropped(world: World):
    """What the spec no longer says, the child no longer says."""
    await world.ask(
        SPEC + "priorityClassName: system-cluster-critical\npodTemplate: {metadata: {annotations: {a: b}}}\n"
    )
    await world.reconcile()
    template = (await world.get(*_pair(STT)))["spec"]["template"]
    assert template["spec"]["priorityClassName"] == "system-cluster-critical"
    assert template["metadata"]["annotations"]["a"] == "b"
    await world.ask(SPEC)
    await world.reconcile()
    template = (await world.get(*_pair(STT)))["spec"]["template"]
    assert "priorityClassName" not in template["spec"]
    assert "a" not in template["metadata"].get("annotations", {})


async def test_a_worker_begins_with_the_decided_number(world: World):
    """A Deployment is created with the scaler's number, 0 as well, and without one with the spec's; later applies leave
    the number alone.
    """
    world.decided["stt"] = 0
    await world.ask(SPEC)
    await world.reconcile()
    assert await _replicas(world, "voice-stt") == 0
    assert await _replicas(world, "voice-translation") == 2
    uid = (await world.get(*_pair(STT)))["metadata"]["uid"]
    await apply_scale(world.api, world.key.namespace, "voice-stt", 4, uid=uid)
    await world.reconcile()
    assert not world.calls, "another number of replicas is no drift"
    await world.ask(f"{SPEC}\nproxy: {{httpsProxy: 'http://proxy:3128'}}")
    await world.reconcile()
    assert await _replicas(world, "voice-stt") == 4


async def test_the_number_survives_a_crash_before_it_was_taken(world: World):
    """Where only our own manager owns the number, it is taken over before the apply that drops it (which would make
    it 1).
    """
    await world.ask(SPEC)
    await world.reconcile()
    scaled = await world.get(*_pair(STT))
    await world.rest.delete(world.path(*_pair(STT)))
    for name in ("uid", "resourceVersion", "managedFields", "creationTimestamp", "generation"):
        scaled["metadata"].pop(name)
    scaled["spec"]["replicas"] = 3
    await world.rest.apply(world.path(*_pair(STT)), scaled, manager=FIELD_MANAGER)
    world.restart()
    assert not (await world.reconcile()).report.problems
    assert await _replicas(world, "voice-stt") == 3
    assert (SCALE_MANAGER, "Apply", "scale") in managers(await world.get(*_pair(STT)))


async def test_an_autoscaler_of_others_keeps_its_number(world: World):
    """Gateways that pass from a fixed number to a HorizontalPodAutoscaler keep the number that they have."""
    await world.ask(SPEC.replace("gateway: {", "gateway: {replicas: 3, "))
    await world.reconcile()
    await world.ask(SPEC.replace("gateway: {", "gateway: {autoscaling: {minReplicas: 2, maxReplicas: 9}, "))
    await world.reconcile()
    assert await _replicas(world, "voice-gateway") == 3
    scale = await get_scale(world.api, world.key.namespace, "voice-gateway")
    body = {"metadata": {"name": "voice-gateway", "namespace": world.key.namespace}, "spec": {"replicas": 7}}
    head = {"apiVersion": "autoscaling/v1", "kind": "Scale"}
    await world.rest.put(world.path("Deployment", "voice-gateway", "scale"), head | body, fieldManager="hpa")
    assert scale.replicas == 3
    await world.ask(SPEC.replace("gateway: {", "gateway: {port: 6000, autoscaling: {minReplicas: 2, maxReplicas: 9}, "))
    await world.reconcile()
    assert await _replicas(world, "voice-gateway") == 7


async def test_a_paused_pipeline_is_left_alone(world: World):
    """Nothing is asked of the server for a paused pipeline, whatever it looks like, and all is mended afterwards."""
    await world.ask(SPEC)
    await world.reconcile()
    await world.ask(SPEC + "paused: true\n")
    await world.rest.delete(world.path(*_pair(STT)))
    result = await world.reconcile()
    assert not world.calls
    assert result.observed.workload("stt") is None
    await world.ask(SPEC)
    await world.reconcile()
    assert await world.find(*_pair(STT))


async def test_a_pipeline_that_goes_is_left_alone(world: World):
    """Once the resource is being deleted, nothing is made for it any more."""
    await world.ask(SPEC)
    world.resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    await world.reconcile()
    assert not world.calls


async def test_a_bad_spec_that_slipped_through_becomes_sentences(world: World):
    """A resource that the types refuse is reported by field, and nothing is asked of the server."""
    await world.ask(SPEC)
    world.resource["spec"] = {"gateway": {"auth": {"mode": "none"}}, "stt": {"modell": "tiny", "replicas": -1}}
    result = await world.reconcile()
    assert not world.calls
    assert len(result.invalid) == 2
    assert any("spec.stt.modell" in sentence and "model" in sentence for sentence in result.invalid)


async def _replicas(world: World, name: str) -> int:
    number: int = (await world.get("Deployment", name))["spec"]["replicas"]
    return number


def _pair(child: Ref) -> tuple[str, str]:
    return child.kind, child.name
