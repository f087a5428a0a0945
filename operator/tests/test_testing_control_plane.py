"""The control plane that the operator's tests run on."""

import asyncio
import itertools
import shutil
import sys
from pathlib import Path

import aiohttp
import psutil
import pytest

from speechpipe_common.testing import eventually
from speechpipe_operator.testing.control_plane import API_SERVER, ETCD, ControlPlane
from speechpipe_operator.testing.outages import Outages, planned
from speechpipe_operator.testing.rest import ApiError, Rest

RUNNER = """
import sys, time
from pathlib import Path
from speechpipe_operator.testing.control_plane import API_SERVER, ETCD, ControlPlane
plane = ControlPlane(Path(sys.argv[1]) / "plane")
plane.start()
print(plane.pid(ETCD), plane.pid(API_SERVER), flush=True)
time.sleep(600)
"""


async def test_the_api_server_is_the_version_that_is_pinned(rest: Rest) -> None:
    """The API server says which Kubernetes it is, since clients choose by it what they may ask."""
    assert (await rest.get("/version"))["gitVersion"] == "v1.34.4"


async def test_outages_end_and_lose_nothing(control_plane: ControlPlane, rest: Rest, namespace: str) -> None:
    """Over crashes, restarts and freezes of each part, every write that was answered is there, and all parts serve."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    answered = set()
    async with Outages(control_plane, planned(6, seed=4)) as outages:
        over = asyncio.create_task(outages.finished())
        for number in itertools.count():
            try:
                await asyncio.wait_for(rest.post(path, {"metadata": {"name": f"n-{number}"}}), 2)
                answered.add(f"n-{number}")
            except (ApiError, aiohttp.ClientError, OSError):
                await asyncio.sleep(0.05)
            if over.done():
                break
        await over
    parts, kinds = (API_SERVER, ETCD), ("crash", "stop", "freeze")
    assert {(outage.part, outage.kind) for outage in outages.done} == set(itertools.product(parts, kinds))
    assert answered <= {item["metadata"]["name"] for item in await rest.items(path)}


async def test_a_service_account_may_do_what_its_role_says(
    control_plane: ControlPlane, rest: Rest, namespace: str
) -> None:
    """A minted token authenticates as its ServiceAccount, and RBAC decides what it may do."""
    token = await control_plane.service_account_token(namespace, "default")
    async with control_plane.rest(token) as account:
        with pytest.raises(ApiError, match=f"system:serviceaccount:{namespace}:default") as refused:
            await account.items(f"/api/v1/namespaces/{namespace}/configmaps")
        assert refused.value.status == 403
        roles = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}"
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}
        await rest.post(f"{roles}/roles", {"metadata": {"name": "reader"}, "rules": [rule]})
        binding = {
            "metadata": {"name": "reader"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        }
        await rest.post(f"{roles}/rolebindings", binding)
        await eventually(lambda: may_list(account, namespace), "the role counts")


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl is not installed")
async def test_a_kubeconfig_is_enough_for_kubectl(control_plane: ControlPlane, tmp_path: Path, namespace: str) -> None:
    """Clients such as kubectl reach the API server by the kubeconfig alone."""
    config = control_plane.kubeconfig(tmp_path / "config", namespace=namespace)
    kubectl = await asyncio.create_subprocess_exec(
        "kubectl", "--kubeconfig", config, "get", "serviceaccount", "-o", "name", stdout=asyncio.subprocess.PIPE
    )
    out, _ = await kubectl.communicate()
    assert out.decode().split() == ["serviceaccount/default"]


async def may_list(account: Rest, namespace: str) -> bool:
    """Whether the account may list ConfigMaps; RBAC works on a cache, which hears of a new role a moment later."""
    try:
        await account.items(f"/api/v1/namespaces/{namespace}/configmaps")
    except ApiError as error:
        if error.status != 403:
            raise
        return False
    return True


async def test_nothing_outlives_a_killed_test_run(tmp_path: Path) -> None:
    """A test run that is killed by SIGKILL leaves no server behind."""
    runner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUNNER, tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert runner.stdout is not None
    pids = [int(pid) for pid in (await runner.stdout.readline()).split()]
    assert len(pids) == 2
    assert all(psutil.pid_exists(pid) for pid in pids)
    runner.kill()
    await runner.wait()
    await eventually(lambda: not any(psutil.pid_exists(pid) for pid in pids), "every server is gone")


async def test_the_definition_is_served(rest: Rest, namespace: str, crd: str) -> None:
    """With the fixture ``crd`` the API server takes SpeechPipelines by the schema of ``crds/``."""
    definition = await rest.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd}")
    (version,) = definition["spec"]["versions"]
    served = f"/apis/speechpipe.dev/{version['name']}/namespaces/{namespace}/speechpipelines"
    assert await rest.items(served) == []
