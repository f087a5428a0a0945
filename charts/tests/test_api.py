"""Every object that the chart renders is one that the API server takes."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from helm import CHART, RELEASE, Document, Helm, of_kind, pods_of
from monitoring_kinds import SPECS, install_kinds
from value_sets import SETS, TEAMS

from speechpipe_common.testing import eventually
from speechpipe_operator.kube import KINDS
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import ApiError, Rest

PLURALS = {
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "Job": "jobs",
    "PrometheusRule": "prometheusrules",
    "ServiceMonitor": "servicemonitors",
} | {name: kind.plural for name, kind in KINDS.items()}
NO_NAMESPACE = ("ClusterRole", "ClusterRoleBinding")
ENFORCED = {"pod-security.kubernetes.io/enforce": "restricted"}


def path_of(document: Document) -> str:
    """Where the API has it."""
    version, kind, metadata = document["apiVersion"], document["kind"], document["metadata"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    inside = "" if kind in NO_NAMESPACE else f"/namespaces/{metadata['namespace']}"
    return f"{root}{inside}/{PLURALS[kind]}/{metadata['name']}"


@pytest_asyncio.fixture
async def ready(rest: Rest, namespace: str, crd: str) -> AsyncIterator[str]:
    """A namespace that enforces Pod Security `restricted`, on a server that knows all kinds; its name."""
    await install_kinds(rest)
    for name in TEAMS:
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await rest.apply(f"/api/v1/namespaces/{name}", made, manager="chart-tests")
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
        await rest.apply(f"/api/v1/namespaces/{name}/serviceaccounts/default", account, manager="chart-tests")
    await rest.merge(f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": ENFORCED}})
    for kind in SPECS:
        await eventually(lambda: _served(rest, namespace, kind), f"{kind} is served")  # noqa: B023 - awaited at once
    yield namespace


async def _served(rest: Rest, namespace: str, kind: str) -> bool:
    try:
        await rest.get(f"/apis/monitoring.coreos.com/v1/namespaces/{namespace}/{PLURALS[kind]}")
    except ApiError:
        return False
    return True


@pytest.mark.parametrize("name", SETS)
async def test_the_api_server_takes_every_object(name: str, helm: Helm, rest: Rest, ready: str):
    """A server-side apply of each object, hooks too, is accepted as it stands, unknown fields being errors; and its
    pods, in a namespace that enforces `restricted`.
    """
    documents = helm.template(SETS[name], namespace=ready)
    assert documents
    for document in documents:
        await rest.apply(path_of(document), document, manager="chart-tests", dryRun="All", fieldValidation="Strict")
    for what, pod in pods_of(documents):
        accepted = await rest.post(f"/api/v1/namespaces/{ready}/pods", _plain_pod(pod), dryRun="All")
        assert accepted["spec"]["securityContext"]["runAsNonRoot"], what


async def test_a_pod_that_restricted_forbids_is_refused(helm: Helm, rest: Rest, ready: str):
    """The check above has teeth: the operator's pod with one capability more is refused in that namespace."""
    (_, pod), *_ = pods_of(of_kind(helm.template(namespace=ready), "Deployment"))
    made = _plain_pod(pod)
    made["spec"]["containers"][0]["securityContext"]["capabilities"]["add"] = ["NET_ADMIN"]
    with pytest.raises(ApiError, match="violates PodSecurity"):
        await rest.post(f"/api/v1/namespaces/{ready}/pods", made, dryRun="All")


def _plain_pod(pod: dict[str, Any]) -> dict[str, Any]:
    """The pod under an account that exists: those of the chart are dry runs."""
    # The ServiceAccount admission knows only accounts that are there.
    spec = pod["spec"] | {"serviceAccountName": "default"}
    # No controller fills in priorities here.
    spec.pop("priorityClassName", None)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "rendered-"}, "spec": spec}


@pytest.mark.usefixtures("crd")  # Helm looks kinds up, even for a dry run
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("defaults", ["There is no pipeline yet", "| kubectl apply --namespace default -f -", "all namespaces"]),
        ("one pipeline", ["get sp captions --watch", "port-forward service/captions-gateway 5026:80", "helm test"]),
        ("some namespaces", ["team-a, team-b", "WARNING: uninstall.purge is true"]),
    ],
)
def test_notes_say_the_next_step(name: str, said: list[str], helm: Helm, control_plane: ControlPlane, tmp_path: Path):
    """After installing, Helm prints commands that fit the values."""
    connected = replace(helm, kubeconfig=control_plane.kubeconfig(tmp_path / "kubeconfig"))
    arguments = ["install", RELEASE, str(CHART), "--dry-run=client", "--namespace", "speechpipe"]
    notes = connected.run(*arguments, *helm.given(SETS[name])).partition("NOTES:")[2]
    assert [line for line in said if line not in notes] == []
    assert "helm test" not in notes or SETS[name].get("pipelines")


async def test_the_pipeline_of_the_notes_can_be_pasted(
    helm: Helm, control_plane: ControlPlane, rest: Rest, ready: str, tmp_path: Path
):
    """What the notes echo to kubectl is a pipeline that the API server takes."""
    connected = replace(helm, kubeconfig=control_plane.kubeconfig(tmp_path / "kubeconfig"))
    notes = connected.run("install", RELEASE, str(CHART), "--dry-run=client").partition("NOTES:")[2]
    body = json.loads(notes.partition("echo '")[2].partition("'")[0])
    collection = f"/apis/speechpipe.dev/v1alpha1/namespaces/{ready}/speechpipelines"
    await rest.post(collection, body, dryRun="All", fieldValidation="Strict")
