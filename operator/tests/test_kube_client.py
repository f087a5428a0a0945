"""The client itself: what it tries again, how it finds a cluster, what it can tell of one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from speechpipe_operator.kube import (
    ABSENT,
    Call,
    Conflict,
    Forbidden,
    KubeApi,
    NoCluster,
    NotFound,
    Retry,
    Unauthorized,
    Unavailable,
    annotate_pod,
    apply_scale,
    connect,
    discover,
    get_scale,
)
from speechpipe_operator.kube import api as api_module
from speechpipe_operator.kube.errors import from_answer
from speechpipe_operator.objects import Object
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest

CONFIG_MAP: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "n"}}
QUICK = Retry(attempts=3, first=0.01)


NO_JSON = -1
"""For ``Moody``: 200, and a page for people."""


class Moody:
    """An HTTP server that answers with the statuses it is given, one after the other, and the last for ever."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.seen: list[str] = []
        self.most = self.now = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Say the next status."""
        self.seen.append(request.method)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if status == NO_JSON:
            return web.Response(text="<html>a proxy's page</html>")
        headers = {"Retry-After": "0"} if status == 429 else {}
        return web.json_response({"kind": "Status", "message": "moody", "items": []}, status=status, headers=headers)


@pytest_asyncio.fixture
async def moody() -> AsyncIterator[tuple[Moody, KubeApi]]:
    """The server, and a client of it."""
    server = Moody()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    client = ApiClient(Configuration(host=f"http://127.0.0.1:{port}"))
    yield server, KubeApi(client, retry=QUICK, concurrency=2)
    await client.close()
    await runner.cleanup()


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_reads_and_applies_are_tried_again(moody: tuple[Moody, KubeApi], status: int):
    """A busy or broken server is asked again, and the third answer counts."""
    server, api = moody
    for call in (
        lambda: api.get("ConfigMap", "n", "a"),
        lambda: api.apply(CONFIG_MAP),
        lambda: api.list("ConfigMap", "n"),
    ):
        server.statuses, server.seen = [status, status, 200], []
        await call()
        assert len(server.seen) == 3


async def test_an_answer_of_somebody_else_is_no_answer(moody: tuple[Moody, KubeApi]):
    """A page that something in between answers with counts as a server that is away."""
    server, api = moody
    server.statuses = [NO_JSON, 200]
    await api.get("ConfigMap", "n", "a")
    server.statuses = [NO_JSON]
    with pytest.raises(Unavailable, match="no JSON"):
        await api.get("ConfigMap", "n", "a")


async def test_attempts_have_a_bound(moody: tuple[Moody, KubeApi]):
    """A server that stays broken ends in Unavailable after three tries."""
    server, api = moody
    server.statuses = [503]
    with pytest.raises(Unavailable, match="can't get ConfigMap/a in namespace n: HTTP 503"):
        await api.get("ConfigMap", "n", "a")
    assert len(server.seen) == 3


async def test_other_writes_are_asked_once(moody: tuple[Moody, KubeApi]):
    """A creation, a patch and a deletion may have been carried out although the answer says otherwise."""
    server, api = moody
    server.statuses = [503]
    calls: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: api.create(CONFIG_MAP),
        lambda: api.patch("ConfigMap", "n", "a", {"data": {}}),
        lambda: api.delete("ConfigMap", "n", "a", uid="u"),
    )
    for call in calls:
        server.seen = []
        with pytest.raises(Unavailable):
            await call()
        assert len(server.seen) == 1


async def test_no_more_calls_than_allowed_are_in_flight(moody: tuple[Moody, KubeApi]):
    """Twenty calls at once reach the server two at a time."""
    server, api = moody
    server.statuses = [200]
    await asyncio.gather(*(api.get("ConfigMap", "n", "a") for _ in range(20)))
    assert len(server.seen) == 20
    assert server.most <= 2


async def test_a_server_that_is_away_is_unavailable(unused_tcp_port: int):
    """Nobody listens: Unavailable, with the reason."""
    client = ApiClient(Configuration(host=f"http://127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(Unavailable, match="no answer"):
        await KubeApi(client, retry=QUICK).get("ConfigMap", "n", "a")
    await client.close()


def test_a_wait_keeps_to_what_the_server_asks():
    """Retry-After is a lower bound up to the longest wait; without it the wait grows and is spread by chance."""
    retry = Retry(attempts=5, first=1.0, longest=4.0)
    call = Call("get", "ConfigMap", "configmaps")
    told = Unavailable(call, "x", retry_after=3.0)
    assert retry.wait(1, told, 0.5) == 3.5
    assert [retry.wait(attempt, Unavailable(call, "x"), 0.5) for attempt in range(1, 6)] == [0.5, 1.0, 2.0, 2.0, None]
    assert retry.wait(1, Conflict(call, "x"), 0.5) is None


async def test_a_pipe_of_pages_is_one_list(control_plane: ControlPlane, rest: Rest, namespace: str, monkeypatch):
    """An exact list is put together of pages; a cached one comes at once; both obey the selector."""
    monkeypatch.setattr(api_module, "PAGE", 2)
    for number in range(5):
        metadata = {"name": f"c{number}", "labels": {"even": str(number % 2 == 0)}}
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        await rest.post(f"/api/v1/namespaces/{namespace}/configmaps", body)
    client = control_plane.api()
    api = KubeApi(client)
    assert len(await api.list("ConfigMap", namespace, cached=False)) == 5
    assert len(await api.list("ConfigMap", namespace, "even=True", cached=False)) == 3
    assert len(await api.list("ConfigMap", namespace, "even=True")) <= 3
    await client.close()


async def test_scale_and_notes_obey_preconditions(control_plane: ControlPlane, rest: Rest, namespace: str):
    """A number or a note that was meant for another object, or an older version of it, is refused."""
    labels = {"a": "b"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": pod}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    made = await rest.post(f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
    client = control_plane.api()
    api, uid = KubeApi(client), made["metadata"]["uid"]
    before = await get_scale(api, namespace, "d")
    assert (before.uid, before.replicas) == (uid, 1)
    after = await apply_scale(api, namespace, "d", 0, uid=uid, resource_version=before.resource_version)
    assert after.replicas == 0
    for conditions in ({"uid": uid, "resource_version": before.resource_version}, {"uid": "another"}):
        with pytest.raises(Conflict):
            await apply_scale(api, namespace, "d", 5, **conditions)
    with pytest.raises(NotFound):
        await apply_scale(api, namespace, "nobody", 5, uid=uid)
    found = await rest.post(f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "p"}, "spec": pod["spec"]})
    with pytest.raises(Conflict):
        await annotate_pod(api, namespace, "p", {"x": "y"}, uid="another")
    noted = await annotate_pod(api, namespace, "p", {"x": "y"}, uid=found["metadata"]["uid"])
    assert noted["metadata"]["annotations"]["x"] == "y"
    await client.close()


@pytest.mark.parametrize(
    ("kind", "version", "spec"),
    [
        ("SpeechPipeline", "speechpipe.dev/v1alpha1", {"gateway": {"auth": {"mode": "none"}}}),
        ("NetworkPolicy", "networking.k8s.io/v1", {"podSelector": {}}),
        ("PodDisruptionBudget", "policy/v1", {"maxUnavailable": 1, "selector": {"matchLabels": {"a": "b"}}}),
    ],
)
async def test_creation_and_identity_are_preconditions(
    control_plane: ControlPlane, namespace: str, crd: str, kind: str, version: str, spec: Object
):
    """For kinds of the server and of CRDs alike: an apply that is to create changes nothing that exists, and one that
    is meant for an object neither changes another one nor creates it.
    """
    client = control_plane.api()
    api = KubeApi(client, retry=QUICK)
    body = {"apiVersion": version, "kind": kind, "spec": spec}
    metadata = {"name": "one", "namespace": namespace}
    with pytest.raises(Conflict):
        await api.apply({**body, "metadata": {**metadata, "uid": "11111111-2222-3333-4444-555555555555"}})
    made = await api.apply({**body, "metadata": {**metadata, "resourceVersion": ABSENT}})
    uid, version = made["metadata"]["uid"], made["metadata"]["resourceVersion"]
    for conditions in ({"resourceVersion": ABSENT}, {"uid": "11111111-2222-3333-4444-555555555555"}):
        with pytest.raises(Conflict):
            await api.apply({**body, "metadata": {**metadata, "labels": {"seized": "yes"}, **conditions}})
    again = await api.apply({**body, "metadata": {**metadata, "uid": uid}})
    assert again["metadata"]["resourceVersion"] == version
    for conditions in ({"uid": "another"}, {"uid": uid, "resource_version": "1"}):
        with pytest.raises(Conflict):
            await api.delete(kind, namespace, "one", **conditions)
    await api.delete(kind, namespace, "one", uid=uid, resource_version=version)
    assert await api.find(kind, namespace, "one") is None
    await client.close()


async def test_discovery_finds_what_is_there(control_plane: ControlPlane):
    """Dynamic resource allocation of 1.34 is found in its best version."""
    client = control_plane.api()
    api = KubeApi(client)
    assert (await discover(api)).claims == "resource.k8s.io/v1"
    assert api.versions["ResourceClaimTemplate"] == "resource.k8s.io/v1"
    await client.close()


async def test_a_kubeconfig_is_enough(control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """KUBECONFIG leads to the server with its credentials; bad ones are refused by name."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig(tmp_path / "good")))
    client = await connect()
    assert await KubeApi(client).get("Namespace", None, "default")
    await client.close()
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig(tmp_path / "bad", token="wrong")))
    client = await connect()
    with pytest.raises(Unauthorized, match="credentials"):
        await KubeApi(client, retry=QUICK).get("Namespace", None, "default")
    await client.close()


async def test_no_cluster_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Without a pod's account and without a kubeconfig the message names the file."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(NoCluster, match="none"):
        await connect()


def test_an_admission_rule_is_no_missing_permission():
    """A 403 of an admission plugin is passed on as it is; only RBAC's own is a permission to grant."""
    call = Call("apply", "Deployment", "deployments", "apps", "n", "d")
    denied = from_answer(call, 403, b'{"message": "admission webhook \\"x\\" denied the request: no"}')
    assert isinstance(denied, Forbidden)
    assert "ServiceAccount" not in str(denied)
    rbac = from_answer(
        call, 403, b'{"message": "deployments.apps \\"d\\" is forbidden: User \\"u\\" cannot patch resource"}'
    )
    assert "lacks the permission to patch (and create) deployments of API group apps in namespace n" in str(rbac)
