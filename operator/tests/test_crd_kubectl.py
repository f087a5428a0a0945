"""The definition in the hands of people: apply, explain and get, with the real kubectl."""

import functools
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pipeline_documents import resource

from speechpipe_common.testing import eventually
from speechpipe_operator.crd.definition import schema
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fixtures import CRD
from speechpipe_operator.testing.rest import Rest

EXAMPLES = CRD.parents[1] / "examples"
GROUP_PATH = "/apis/speechpipe.dev/v1alpha1"
DEADLINE_SECONDS = 120
ANNOTATION_BYTES = 262_144
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"

pytestmark = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")

Kubectl = Callable[..., str]


@pytest_asyncio.fixture
async def kubectl(control_plane: ControlPlane, crd: str, namespace: str, rest: Rest, tmp_path: Path) -> Kubectl:
    """Runs kubectl as the administrator in a fresh namespace and gives what it prints."""
    # Discovery and OpenAPI follow a definition a moment after it is Established.
    for described in (GROUP_PATH, f"/openapi/v3{GROUP_PATH}"):
        await eventually(functools.partial(rest.find, described), f"{described} is served")
    config = control_plane.kubeconfig(tmp_path / "kubeconfig", namespace=namespace)
    # What it remembers of an API server belongs to this test, not to the user's home.
    environment = os.environ | {"KUBECONFIG": str(config), "KUBECACHEDIR": str(tmp_path / "cache")}

    def run(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def words(text: str) -> str:
    """Text without its line breaks and indents."""
    return " ".join(text.split())


@pytest.mark.parametrize("path", ["spec", "spec.stt", "spec.stt.autoscaling", "spec.redis.managed", "spec.gateway.vad"])
def test_explain_reads_like_documentation(path: str, kubectl: Kubectl) -> None:
    """`kubectl explain sp.spec.stt` says the description of every field, and which words it takes."""
    part: dict[str, Any] = {"properties": schema()["properties"]}
    for name in path.split("."):
        part = part["properties"][name]
    explained = words(kubectl("explain", f"sp.{path}"))
    assert part["description"] in explained
    for name, field in part["properties"].items():
        assert f"{name} <" in explained
        assert words(field["description"]) in explained, name
        assert "enum" not in field or f"enum: {', '.join(field['enum'][:3])}" in explained, name


async def test_get_shows_the_state_at_a_glance(kubectl: Kubectl, namespace: str, rest: Rest) -> None:
    """The columns tell whether it serves, how many there are of how many, what waits, and with -o wide why."""
    path = f"{GROUP_PATH}/namespaces/{namespace}/speechpipelines"
    await rest.post(path, resource())
    status = {
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "GpuMissing",
                "message": "2 of 4 STT pods wait for nvidia.com/gpu",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            }
        ],
        "gatewaySummary": "2/2",
        "sttSummary": "2/4",
        "translationSummary": "1/1",
        "backlog": 17,
        "reason": "GpuMissing",
        "endpoint": "ws://a.example/ws",
    }
    await rest.merge(f"{path}/test/status", {"status": status})
    header, row = (line.split() for line in kubectl("get", "sp").splitlines())
    assert header == ["NAME", "READY", "GATEWAYS", "STT", "TRANSLATION", "BACKLOG", "AGE"]
    assert row[:-1] == ["test", "False", "2/2", "2/4", "1/1", "17"]
    wide = kubectl("get", "speechpipelines", "-o", "wide")
    assert "GpuMissing" in wide
    assert "ws://a.example/ws" in wide


def test_client_side_apply_has_room(kubectl: Kubectl) -> None:
    """`kubectl apply` keeps the whole definition in one annotation; it takes a third of the room there at most."""
    kubectl("apply", "-f", str(CRD))
    kept = json.loads(kubectl("get", "crd", "speechpipelines.speechpipe.dev", "-o", "json"))["metadata"]["annotations"]
    assert len(kept[LAST_APPLIED]) * 3 < ANNOTATION_BYTES
    assert "unchanged" in kubectl("apply", "-f", str(CRD))


def test_examples_can_be_applied_again_and_again(kubectl: Kubectl) -> None:
    """Applying the examples twice, by the client or by the server, changes nothing the second time."""
    for how in ([], ["--server-side", "--force-conflicts"]):
        kubectl("apply", *how, "-f", str(EXAMPLES))
        before = kubectl("get", "sp", "-o", "jsonpath={.items[*].metadata.resourceVersion}")
        kubectl("apply", *how, "-f", str(EXAMPLES))
        assert kubectl("get", "sp", "-o", "jsonpath={.items[*].metadata.resourceVersion}") == before


def test_a_misspelled_field_is_named(kubectl: Kubectl) -> None:
    """Kubectl asks for strict reading by itself, so a misspelled field is an error, not silently dropped."""
    document = resource("spec: {stt: {modle: base}}")
    with pytest.raises(AssertionError, match=r'unknown field "spec\.stt\.modle"'):
        kubectl("apply", "-f", "-", stdin=json.dumps(document))
