"""What the operator may not do, and what every pod of the project keeps to."""

import json
import tempfile
from collections.abc import Callable, Iterator

import pytest
from kubectl import CommandError, apply, delete, get, kubectl
from pipelines import Pipeline, translated
from releases import Release
from settings import RUN_LABEL, Settings

pytestmark = [pytest.mark.pipeline(spec=translated), pytest.mark.timeout(600)]

SECRET = {"stringData": {"word": "nobody else's"}}


@pytest.fixture
def elsewhere(settings: Settings) -> Iterator[str]:
    """A namespace that the operator has nothing to do with, with a Secret called ``private``."""
    name = f"e2e-{settings.run}-elsewhere"
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {RUN_LABEL: settings.run}}}
    apply(space)
    apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "private", "namespace": name}, **SECRET})
    yield name
    delete("namespace", name, wait=False)


def account(operator: Release) -> str:
    """User name of the operator."""
    (pod,) = operator.operators()
    return f"system:serviceaccount:{operator.namespace}:{pod['spec']['serviceAccountName']}"


def may(user: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether somebody has a right, as the API server decides."""
    try:
        return kubectl("auth", "can-i", verb, resource, "-n", namespace, f"--as={user}").strip() == "yes"
    except CommandError as error:
        if error.said.strip().splitlines()[-1].startswith("no"):
            return False
        raise


def test_the_operator_reads_no_secret_outside_its_namespaces(
    operator: Release, pipeline: Pipeline, elsewhere: str, report: Callable[[str], None]
) -> None:
    """With the operator's own token a Secret elsewhere is forbidden, the pipeline's is not, and none can be listed."""
    user = account(operator)
    own = pipeline.namespace
    assert may(user, "get", "secrets", own)
    for namespace in (elsewhere, "kube-system", "default", operator.namespace):
        for verb in ("get", "list", "watch", "create", "patch", "delete"):
            assert not may(user, verb, "secrets", namespace), f"{verb} secrets in {namespace}"
    for verb in ("list", "watch", "delete"):
        assert not may(user, verb, "secrets", own), f"{verb} secrets in {own}"

    token = kubectl("create", "token", user.rpartition(":")[2], "-n", operator.namespace, "--duration=10m").strip()
    asked = ("get", "secret", "-o", "name", "-n")
    mine = as_account(token, *asked, own, f"{pipeline.name}-redis-auth")
    assert mine == f"secret/{pipeline.name}-redis-auth"
    refused = []
    for request in ((*asked, elsewhere, "private"), (*asked, own), ("get", "secrets", "--all-namespaces")):
        with pytest.raises(CommandError, match=r"[Ff]orbidden") as told:
            as_account(token, *request)
        refused.append(told.value.said.strip().splitlines()[-1])
    report(f"refused: {refused[0]}")


def as_account(token: str, *arguments: str) -> str:
    """Kubectl with nothing but a token; its output."""
    config = json.loads(kubectl("config", "view", "--raw", "--minify", "--flatten", "-o", "json"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(config, file)
        file.flush()
        return kubectl(f"--kubeconfig={file.name}", *arguments).strip()


def test_every_pod_passes_restricted(operator: Release, pipeline: Pipeline, spaces: dict[str, str]) -> None:
    """All namespaces of operator and pipelines enforce ``restricted``, and no pod there would be refused by it."""
    for namespace in {operator.namespace, pipeline.namespace, *spaces.values()}:
        labels = get("namespace", namespace)["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted", namespace
        # The API server holds the pods that are there against a level that changes; what violates it is a warning.
        changed = "pod-security.kubernetes.io/enforce-version=v1.30"
        kubectl("label", "--warnings-as-errors", "--overwrite", "--dry-run=server", "namespace", namespace, changed)
