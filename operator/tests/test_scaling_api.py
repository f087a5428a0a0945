"""What the scaler writes, on a real API server: one owner of the replicas, and nothing on old views."""

from dataclasses import replace

import pytest
from scaling_support import WORKLOAD, deployment

from speechpipe_operator.autoscaling.crew import VICTIM_COST
from speechpipe_operator.autoscaling.hands import KubeScale
from speechpipe_operator.kube.api import KubeApi
from speechpipe_operator.kube.errors import Conflict
from speechpipe_operator.objects import FIELD_MANAGER
from speechpipe_operator.reconcile.extract import pod_state, workload_state
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest


@pytest.fixture
async def scale(control_plane: ControlPlane, namespace: str):
    """What the scaler acts with."""
    client = control_plane.api()
    yield KubeScale(KubeApi(client), namespace)
    await client.close()


async def test_an_apply_without_replicas_keeps_the_scalers_number(rest: Rest, namespace: str, scale: KubeScale) -> None:
    """Created with a number, scaled through /scale, applied again without one: the number is the scaler's, 0 too."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{WORKLOAD}"
    made = await rest.apply(path, deployment(namespace, "n", 2), FIELD_MANAGER)
    for number in (4, 0):
        await scale.scale(workload_state(made), number)
        made = await rest.apply(path, deployment(namespace, "n", None), FIELD_MANAGER)
        assert made["spec"]["replicas"] == number


async def test_a_number_decided_on_an_old_view_is_refused(rest: Rest, namespace: str, scale: KubeScale) -> None:
    """A Deployment that has changed since, or another one of that name, keeps its number."""
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments/{WORKLOAD}"
    seen = workload_state(await rest.apply(path, deployment(namespace, "n", 2), FIELD_MANAGER))
    now = workload_state(await rest.merge(path, {"metadata": {"labels": {"changed": "yes"}}}))
    for old in (seen, replace(now, uid="00000000-0000-0000-0000-000000000000")):
        with pytest.raises(Conflict):
            await scale.scale(old, 5)
    assert (await rest.get(path))["spec"]["replicas"] == 2


async def test_a_mark_is_set_and_removed_on_the_pod_that_was_seen(rest: Rest, namespace: str, scale: KubeScale) -> None:
    """Cost and time stand on the pod while it is a victim; a pod that has changed since is looked at again first."""
    pods = f"/api/v1/namespaces/{namespace}/pods"
    body = {"metadata": {"name": "w"}, "spec": {"containers": [{"name": "stt", "image": "example.test/stt:1"}]}}
    seen = pod_state(await rest.post(pods, body))
    await scale.mark(seen, victim=True)
    marked = pod_state(await rest.get(f"{pods}/w"))
    assert (marked.deletion_cost, marked.cordoned) == (VICTIM_COST, True)
    with pytest.raises(Conflict):
        await scale.mark(seen, victim=False)
    await scale.mark(marked, victim=False)
    free = pod_state(await rest.get(f"{pods}/w"))
    assert (free.deletion_cost, free.cordoned) == (None, False)
