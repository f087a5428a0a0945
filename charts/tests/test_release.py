"""A release from its installation to its end, by the real Helm on a real API server with real controllers.

Pods of the chart are processes here, under the rights of their accounts; those of pipelines only seem to run.
"""

import asyncio
import copy
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from helm import Helm, HelmError
from pod_processes import PodProcesses
from releases import DEFINITION, PIPELINES, Release, newer_chart

from speechpipe_client.demo.pipeline import demo_plan
from speechpipe_common.downloads import ASSETS, fetch
from speechpipe_common.testing import eventually
from speechpipe_operator.local import LocalOptions, LocalPipeline
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest
from speechpipe_operator.testing.volumes import FakeProvisioner

pytestmark = pytest.mark.timeout(1200)

ENFORCED = {"pod-security.kubernetes.io/enforce": "restricted"}
OPERATOR = "app.kubernetes.io/component=operator"
QUIET = {"settings": {"redisPolling": False, "checkSeconds": 2, "logFormat": "json"}}
"""Nothing listens where Redis would: its pod only seems to run."""
SPEC = {
    "languages": {"source": "en", "targets": ["es"]},
    "redis": {"managed": {"memory": "64Mi", "storage": {"size": "1Gi"}}},
    "gateway": {"auth": {"mode": "none"}},
    "translation": {"replicas": 1},
}
VALUES = {"operator": QUIET | {"replicas": 2}, "pipelines": {"captions": {"spec": SPEC}}}


@pytest_asyncio.fixture
async def processes(cluster: ControlPlane, tmp_path: Path) -> PodProcesses:
    """What the chart's pods run as."""
    folder = tmp_path / "pods"
    folder.mkdir()
    return PodProcesses(cluster, folder)


@pytest_asyncio.fixture
async def release(
    cluster: ControlPlane,
    cluster_rest: Rest,
    cluster_namespace: str,
    processes: PodProcesses,
    helm: Helm,
    tmp_path: Path,
) -> AsyncIterator[Release]:
    """Helm in a namespace that enforces `restricted`, on a cluster with a node and a StorageClass."""
    namespace, rest = cluster_namespace, cluster_rest
    await rest.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": ENFORCED}})
    kubeconfig = cluster.kubeconfig(tmp_path / "kubeconfig", namespace=namespace)
    kubelet = FakeKubelet(rest, [FakeNode(f"{namespace}-node")], on_start=processes.start, on_stop=processes.stop)
    async with FakeProvisioner(rest, f"{namespace}-disk", default=True), kubelet:
        made = Release(replace(helm, kubeconfig=kubeconfig, namespace=namespace), rest)
        yield made
        # Whatever a failed test has left must not serve the next one's pipelines.
        await asyncio.to_thread(_end, made)


def _end(release: Release) -> None:
    if "speech" in release.helm.run("list", "--all", "--short"):
        release.helm.run("uninstall", "speech", "--no-hooks")


async def _refused(processes: PodProcesses, pods: dict[str, str]) -> list[str]:
    """Requests of operators that the API server refused for lack of a right."""
    metrics = [await asyncio.to_thread(processes.read, pod, "/metrics") for pod in pods]
    return [line for text in metrics for line in text.splitlines() if 'code="403"' in line]


async def test_a_release_from_its_installation_to_its_end(
    release: Release, processes: PodProcesses, cluster_rest: Rest, tmp_path: Path
):
    """Installed under its own rights the operator makes the pipeline Ready, and nothing is refused; an upgrade brings
    the definition up to date and replaces the operators and no pod of the pipeline, and so does the way back; after an
    uninstall the definition and the volume of Redis are left, and nothing else.
    """
    await asyncio.to_thread(release.install, VALUES)
    await release.ready("captions")
    first, serving = await release.pods(OPERATOR), await release.pods()
    assert len(first) == 2
    assert {name.rsplit("-", 2)[0] for name in serving if "redis" not in name} == {
        "captions-gateway",
        "captions-stt",
        "captions-translation",
    }
    assert await _refused(processes, first) == []
    for pod in first:
        assert json.loads(await asyncio.to_thread(processes.read, pod, "/ready"))["missing"] == []
    assert not [name for name in await release.objects() if "crds" in name], "what the hook needed is gone"
    assert not [name for name in await release.outside() if "crds" in name]

    await eventually(lambda: _may_edit(cluster_rest), "whoever edits a namespace may edit its pipelines")

    definition = await cluster_rest.get(DEFINITION)
    await cluster_rest.apply(DEFINITION, _older(definition), manager="somebody")
    await asyncio.to_thread(release.upgrade, newer_chart(tmp_path), VALUES)
    assert (await cluster_rest.get(DEFINITION))["spec"] == definition["spec"], "brought up to date"
    second = await release.pods(OPERATOR)
    assert len(second) == 2
    assert not first.keys() & second.keys()
    await release.ready("captions")
    assert await release.pods() == serving, "an upgrade of the operator replaces no pod of a pipeline"

    await asyncio.to_thread(release.rollback, 1)
    assert not second.keys() & (await release.pods(OPERATOR)).keys()
    await release.ready("captions")
    assert await release.pods() == serving

    await asyncio.to_thread(release.uninstall)
    await release.left_over({"persistentvolumeclaims/data-captions-redis-0"})
    assert await release.outside() == set()
    assert await cluster_rest.find(DEFINITION) is not None


async def _may_edit(rest: Rest) -> bool:
    role = await rest.get("/apis/rbac.authorization.k8s.io/v1/clusterroles/edit")
    return any("speechpipelines" in rule.get("resources", ()) and "create" in rule["verbs"] for rule in role["rules"])


def _older(definition: dict) -> dict:
    """The definition as an older version might have had it: a field more, and one fewer."""
    definition = copy.deepcopy(definition)
    (version,) = definition["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    del spec["paused"]
    spec["oldFashioned"] = {"type": "string"}
    kept = {key: definition[key] for key in ("apiVersion", "kind")}
    return kept | {"metadata": {"name": definition["metadata"]["name"]}, "spec": definition["spec"]}


async def test_an_upgrade_whose_hook_fails_changes_nothing(release: Release):
    """Where the definition can't be brought up to date, Helm says which hook failed, and operators stay as they are;
    the next upgrade works as if nothing had been.
    """
    await asyncio.to_thread(release.install, {"operator": QUIET})
    before = await release.pods(OPERATOR)
    # As if in a pod, whose token is not there: the command finds no cluster.
    lost = {"extraEnv": [{"name": "KUBERNETES_SERVICE_HOST", "value": "127.0.0.1"}]}
    with pytest.raises(HelmError, match=r"(?s)pre-upgrade hooks failed.*job speech-speechpipe-crds failed"):
        await asyncio.to_thread(release.upgrade, release.helm.chart, {"operator": QUIET | lost})
    assert await release.pods(OPERATOR) == before

    await asyncio.to_thread(release.upgrade, release.helm.chart, {"operator": QUIET})
    assert not [name for name in await release.objects() if "crds" in name]


async def test_purged_in_its_namespaces_it_leaves_those_of_others(release: Release, cluster_rest: Rest):
    """With `uninstall.purge` pipelines of the operator's namespaces go with their volumes, also those that Helm did not
    make; without rights elsewhere, the definition and other namespaces stay as they are.
    """
    values = VALUES | {"operator": QUIET | {"watchNamespaces": [release.namespace]}, "uninstall": {"purge": True}}
    await asyncio.to_thread(release.install, values)
    own = {"apiVersion": "speechpipe.dev/v1alpha1", "kind": "SpeechPipeline", "metadata": {"name": "own"}, "spec": SPEC}
    await cluster_rest.post(f"{PIPELINES}/namespaces/{release.namespace}/speechpipelines", own)
    elsewhere = own | {"metadata": {"name": "elsewhere", "namespace": "default"}}
    await cluster_rest.post(f"{PIPELINES}/namespaces/default/speechpipelines", elsewhere)
    await release.ready("captions")
    await release.ready("own")

    await asyncio.to_thread(release.uninstall)

    await release.left_over(set())
    assert await release.outside() == set()
    path = f"{PIPELINES}/namespaces/default/speechpipelines/elsewhere"
    assert await cluster_rest.find(path) is not None
    await cluster_rest.delete(path)


async def test_purged_from_the_whole_cluster_nothing_is_left(release: Release, cluster_rest: Rest):
    """Cluster-wide a purge removes the definition as well."""
    await asyncio.to_thread(release.install, VALUES | {"uninstall": {"purge": True}})
    await release.ready("captions")
    await asyncio.to_thread(release.uninstall)
    await release.left_over(set())
    assert await cluster_rest.find(DEFINITION) is None


class _Silent:
    def line(self, source: str, text: str) -> None:
        """Pytest shows what a failed test printed."""
        print(f"{source} | {text}")  # noqa: T201 - shown when a test fails


async def test_helm_test_sends_speech(release: Release, processes: PodProcesses, tmp_path: Path):
    """`helm test` fails while the pipeline's gateway does not answer, and passes when real speech comes back right."""
    values = VALUES | {"test": {"seconds": 10}}
    await asyncio.to_thread(release.install, values)
    processes.samples = fetch(ASSETS["audioeval"])
    with pytest.raises(HelmError, match="speech-speechpipe-test-captions failed"):
        await asyncio.to_thread(release.helm.run, "test", "speech")

    async with LocalPipeline(
        demo_plan(translation=False), LocalOptions(data_dir=tmp_path / "data", any_port=True), _Silent()
    ) as pipeline:
        processes.gateway = pipeline.gateway_url
        await asyncio.to_thread(release.upgrade, release.helm.chart, VALUES)
        said = await asyncio.to_thread(release.helm.run, "test", "speech")
    assert "Succeeded" in said
    assert "quick brown fox" in processes.log("speech-speechpipe-test-captions")
