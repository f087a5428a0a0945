"""What is kept of watched objects, and what is decided by it: values in, values out."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speechpipe_operator.objects import FIELD_MANAGER, Object, Ref
from speechpipe_operator.observed import ContainerTrouble
from speechpipe_operator.reconcile.cache import ChildCache, Confirmed, PipelineKey
from speechpipe_operator.reconcile.contest import MOST, PAUSE_SECONDS, WINDOW_SECONDS, Contest
from speechpipe_operator.reconcile.extract import claim_state, pod_state, workload_state
from speechpipe_operator.reconcile.fingerprint import fingerprint, foreign_containers, keeps_replicas
from speechpipe_operator.reconcile.quantity import amount, quantity
from speechpipe_operator.reconcile.secrets import PasswordRollout

KEY = PipelineKey("n", "voice")
LABELS = {"speechpipe.dev/pipeline": "voice", "speechpipe.dev/component": "stt"}
OWNED = {
    "f:metadata": {"f:labels": {"f:speechpipe.dev/pipeline": {}}},
    "f:spec": {
        "f:replicas": {},
        "f:template": {
            "f:spec": {"f:containers": {'k:{"name":"stt"}': {".": {}, "f:name": {}, "f:image": {}}}, "f:volumes": {}},
        },
    },
}


def deployment(**changes: Any) -> Object:
    """A Deployment as a watch gives it, with changes of its metadata."""
    entry = {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": copy.deepcopy(OWNED)}
    metadata = {"name": "voice-stt", "namespace": "n", "uid": "u1", "resourceVersion": "10", "labels": dict(LABELS)}
    pod = {"containers": [{"name": "stt", "image": "stt:1", "terminationMessagePath": "/dev/log"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {**metadata, "generation": 2, "managedFields": [entry], **changes},
        "spec": {"replicas": 3, "template": {"spec": pod}},
    }


def pod(**status: Any) -> Object:
    """A pod as a watch gives it."""
    owner = {"kind": "ReplicaSet", "name": "voice-stt-5d", "uid": "r", "controller": True}
    metadata: dict[str, Any] = {
        "name": "voice-stt-5d-x",
        "namespace": "n",
        "uid": "p",
        "resourceVersion": "5",
        "labels": dict(LABELS),
    }
    metadata |= {"ownerReferences": [owner], "creationTimestamp": "2026-01-01T00:00:00Z"}
    return {"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "Pending", **status}}


def test_a_fingerprint_sees_our_fields_alone():
    """Other people's labels, defaults, status, versions and the number of replicas change nothing; our label, our image
    and our ownership of them do.
    """
    plain = fingerprint(deployment())
    others = deployment(resourceVersion="11", generation=3, annotations={"a": "b"}, labels={**LABELS, "team": "x"})
    others["spec"]["replicas"] = 9
    others["spec"]["template"]["spec"]["containers"][0]["terminationMessagePath"] = "/else"
    others["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "s"})
    others["status"] = {"replicas": 1}
    assert fingerprint(others) == plain
    relabelled = deployment(labels={**LABELS, "speechpipe.dev/pipeline": "other"})
    changed = deployment()
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "stt:2"
    taken = deployment()
    fields = taken["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:template"]["f:spec"]
    del fields["f:containers"]['k:{"name":"stt"}']["f:image"]
    assert len({plain, fingerprint(relabelled), fingerprint(changed), fingerprint(taken)}) == 4


def test_a_fingerprint_without_a_record_is_the_whole_object():
    """Where managedFields have been stripped, anything but noise, status and replicas counts."""
    stripped = deployment(managedFields=[])
    later = deployment(managedFields=[], resourceVersion="99", generation=9)
    later["spec"]["replicas"], later["status"] = 7, {"x": 1}
    assert fingerprint(stripped) == fingerprint(later)
    assert fingerprint(stripped) != fingerprint(deployment(managedFields=[], labels={**LABELS, "a": "b"}))


def test_containers_of_others_are_found_by_ownership():
    """A container and an init container that we do not own are foreign; without a record nobody can tell."""
    found = deployment()
    found["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "s"})
    found["spec"]["template"]["spec"]["initContainers"] = [{"name": "init", "image": "i"}]
    assert foreign_containers(found) == ("init", "side")
    found["metadata"]["managedFields"] = []
    assert foreign_containers(found) == ()


@pytest.mark.parametrize(
    ("others", "kept"),
    [
        ([], False),
        ([{"manager": "speechpipe-autoscaler", "operation": "Apply", "subresource": "scale"}], True),
        ([{"manager": "kube-controller-manager", "operation": "Update", "subresource": "scale"}], True),
    ],
)
def test_replicas_stay_where_somebody_else_owns_them(others: list[Object], kept: bool):
    """Only a number that nobody but us owns would fall back to 1."""
    found = deployment()
    found["metadata"]["managedFields"] += [{**entry, "fieldsV1": {"f:spec": {"f:replicas": {}}}} for entry in others]
    assert keeps_replicas(found) is kept
    del found["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"]
    assert keeps_replicas(found)


def test_old_news_does_not_replace_new():
    """An event that is older than the answer to our own write changes nothing, nor does a deletion of a predecessor."""
    cache = ChildCache()
    child = Ref("Deployment", "voice-stt")
    assert cache.observe("ADDED", deployment(resourceVersion="20")) == KEY
    assert cache.observe("MODIFIED", deployment(resourceVersion="10", labels={**LABELS, "x": "y"})) is None
    assert cache.live(KEY, child).resource_version == "20"
    assert cache.observe("DELETED", deployment(uid="before", resourceVersion="15")) is None
    assert cache.live(KEY, child)
    assert cache.observe("DELETED", deployment(resourceVersion="30")) == KEY
    assert cache.live(KEY, child) is None
    assert list(cache.keys()) == []


def test_a_listing_always_counts():
    """After a restore of etcd every version is older than what was known, and true all the same."""
    cache = ChildCache()
    cache.observe("ADDED", deployment(resourceVersion="2000"))
    assert (
        cache.observe(None, deployment(resourceVersion="10", labels={**LABELS, "speechpipe.dev/component": "x"})) == KEY
    )
    assert cache.live(KEY, Ref("Deployment", "voice-stt")).resource_version == "10"


def test_only_what_matters_wakes_anybody():
    """A heartbeat of a status that nobody looks at wakes nobody; a change of the fields that are kept does."""
    cache = ChildCache()
    cache.observe(None, deployment())
    again = deployment(resourceVersion="11")
    again["status"] = {"conditions": [{"type": "Available", "status": "True", "lastUpdateTime": "now"}]}
    assert cache.observe("MODIFIED", again) is None
    ready = deployment(resourceVersion="12")
    ready["status"] = {"readyReplicas": 1}
    assert cache.observe("MODIFIED", ready) == KEY
    assert cache.observe("MODIFIED", {**deployment(), "metadata": {**deployment()["metadata"], "labels": {}}}) is None


def test_pods_count_only_under_their_workload():
    """A pod with our labels that another owner controls, or nobody, is none of the pipeline's."""
    cache = ChildCache()
    cache.observe(None, deployment())
    cache.observe(None, pod())
    stray = pod()
    stray["metadata"] |= {"name": "stray", "uid": "q", "ownerReferences": []}
    cache.observe(None, stray)
    assert [item.name for item in cache.observed(KEY).pods] == ["voice-stt-5d-x"]


def test_what_a_confirmation_remembers_goes_with_its_child():
    """A child that was deleted is not taken for right when another one of its name comes."""
    cache, child = ChildCache(), Ref("Deployment", "voice-stt")
    cache.observe(None, deployment())
    cache.confirm(KEY, child, Confirmed("wish", "u1", "print", None))
    cache.observe("DELETED", deployment())
    assert cache.confirmed(KEY, child) is None


def test_a_crash_loop_says_what_the_container_said_last():
    """Not that the kubelet waits, but the last line of the container, its exit code, and how often."""
    ended = {"terminated": {"exitCode": 3, "reason": "Error", "message": "starting\nno model called tinny\n\n"}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"}}
    found = pod(containerStatuses=[{"name": "stt", "restartCount": 4, "state": waiting, "lastState": ended}])
    assert pod_state(found).trouble == (ContainerTrouble("stt", "CrashLoopBackOff", "no model called tinny", 3, 4),)
    ended["terminated"] = {"exitCode": 137, "reason": "OOMKilled"}
    assert pod_state(found).trouble[0].reason == "OOMKilled"


def test_starting_is_no_trouble():
    """A container that is being created, and an init container that is done, are no trouble; an image that can't be
    pulled is.
    """
    creating = {"name": "stt", "restartCount": 0, "state": {"waiting": {"reason": "ContainerCreating"}}}
    done = {"name": "models", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}
    assert pod_state(pod(containerStatuses=[creating], initContainerStatuses=[done])).trouble == ()
    pulling = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image x:1"}}
    found = pod_state(pod(containerStatuses=[{**creating, "state": pulling}]))
    assert found.trouble == (ContainerTrouble("stt", "ImagePullBackOff", "Back-off pulling image x:1"),)


def test_an_unschedulable_pod_carries_the_schedulers_words():
    """And one that waits for something else does not."""
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert pod_state(pod(conditions=[condition])).unschedulable == "0/3 nodes"
    assert pod_state(pod(conditions=[{**condition, "reason": "SchedulingGated"}])).unschedulable is None
    assert pod_state(pod()).unschedulable is None


def test_an_evicted_pod_is_in_trouble():
    """A pod that failed as a whole has a reason, though no container has one."""
    found = pod_state(pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."))
    assert found.trouble == (ContainerTrouble("", "Evicted", "The node was low on resource: memory."),)


def test_a_workload_without_a_status_is_no_failure():
    """Right after its creation nothing is known but the wish."""
    found = workload_state(deployment())
    assert (found.desired, found.ready, found.progressing, found.failure) == (3, 0, True, None)
    stuck = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    refused = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"}
    found = workload_state({**deployment(), "status": {"conditions": [stuck, refused]}})
    assert (found.progressing, found.failure) == (False, "exceeded quota")


def test_a_claim_knows_wish_and_reality():
    """Requested and real size in bytes, and what a resize waits for."""
    spec = {"resources": {"requests": {"storage": "2Gi"}}, "storageClassName": "fast"}
    resizing = {"type": "FileSystemResizePending", "status": "True", "message": "waiting for the node"}
    status = {"phase": "Bound", "capacity": {"storage": "1Gi"}, "conditions": [resizing]}
    found = claim_state({"metadata": deployment()["metadata"], "spec": spec, "status": status})
    assert (found.requested_bytes, found.capacity_bytes, found.message) == (2 << 30, 1 << 30, "waiting for the node")


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1Gi", 1 << 30),
        ("1500M", 1_500_000_000),
        ("1e3", 1000),
        ("0.5Ki", 512),
        ("128", 128),
        ("100m", 1),
        ("2k", 2000),
    ],
)
def test_quantities_are_bytes(text: str, size: int):
    """All ways to write one that the API server takes."""
    assert amount(text) == size


@given(st.integers(min_value=1, max_value=1 << 60))
def test_a_size_is_written_so_that_it_is_read_back(size: int):
    """No byte is lost on the way to the server and back."""
    assert amount(quantity(size)) == size


def test_a_fight_is_fought_slowly():
    """Twenty mends within a minute are free, then one is due every fifteen seconds, until it is quiet for a minute."""
    contest, child = Contest(), Ref("Service", "voice-gateway")
    for second in range(MOST):
        assert contest.wait(child, second) == 0
        contest.mended(child, second)
    assert contest.wait(child, MOST) == PAUSE_SECONDS - 1
    assert contest.wait(child, MOST - 1 + PAUSE_SECONDS) == 0
    assert contest.wait(child, MOST + WINDOW_SECONDS) == 0
    assert contest.wait(Ref("Service", "another"), MOST) == 0


def test_clients_follow_redis():
    """They keep their checksum until Redis has been applied with the new password, is ready and is not rolling."""
    rollout = PasswordRollout()
    redis = workload_state({**deployment(generation=1), "kind": "StatefulSet"})
    ready = workload_state(_rolled(1))
    assert rollout.for_clients("uid", "r1", "c1", [redis]) == "c1"
    rollout.applied("uid", "r1", "c1")
    assert rollout.for_clients("uid", "r2", "c2", [ready]) == "c1", "Redis has not been told yet"
    rollout.applied("uid", "r2", "c1")
    assert rollout.for_clients("uid", "r2", "c2", [redis]) == "c1", "it is not ready"
    assert rollout.for_clients("uid", "r2", "c2", [ready, redis]) == "c1", "one of two is not"
    assert rollout.for_clients("uid", "r2", "c2", [ready]) == "c2"


def _rolled(generation: int) -> Object:
    counts = {"replicas": 3, "readyReplicas": 3, "updatedReplicas": 3, "observedGeneration": generation}
    return {**deployment(generation=generation), "kind": "StatefulSet", "status": counts}
