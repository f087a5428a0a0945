"""Commands around the operator's life: `crds apply`, `crds print`, `purge`, as processes on a real API server."""

import asyncio
import contextlib
import copy
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest_asyncio
from operator_pipelines import API, path_of, pipeline

from speechpipe_common.testing import eventually
from speechpipe_operator.crd import definition, manifest
from speechpipe_operator.objects import PIPELINE_LABEL
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fixtures import CRDS, install_crd
from speechpipe_operator.testing.rest import Rest

DEFINITION = f"{CRDS}/{definition()['metadata']['name']}"


@dataclass
class Command:
    """Runs the operator's commands as the cluster's administrator."""

    plane: ControlPlane
    folder: Path

    async def start(self, *arguments: str, token: str | None = None) -> asyncio.subprocess.Process:
        """Start one."""
        kubeconfig = self.plane.kubeconfig(self.folder / "kubeconfig", token=token)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(kubeconfig)}
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "speechpipe_operator", *arguments)
        return await asyncio.create_subprocess_exec(*command, env=env, stdout=pipe, stderr=pipe)

    async def run(self, *arguments: str, token: str | None = None) -> tuple[int, str]:
        """Run one to its end; its status and all that it said."""
        process = await self.start(*arguments, token=token)
        out, err = await process.communicate()
        return await process.wait(), out.decode() + err.decode()


@pytest_asyncio.fixture
async def command(control_plane: ControlPlane, tmp_path: Path) -> Command:
    """The commands."""
    return Command(control_plane, tmp_path)


@contextlib.asynccontextmanager
async def no_definition(rest: Rest) -> AsyncIterator[None]:
    """The definition is away; other tests find it again."""
    await rest.discard(DEFINITION)
    await eventually(lambda: _absent(rest, DEFINITION), "the definition is gone")
    try:
        yield
    finally:
        await install_crd(rest)


async def _absent(rest: Rest, path: str) -> bool:
    return await rest.find(path) is None


def properties(body: dict[str, Any]) -> dict[str, Any]:
    """Fields of the spec that a definition describes."""
    (version,) = body["spec"]["versions"]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    return found


async def test_a_definition_made_by_helm_becomes_that_of_this_version(command: Command, rest: Rest):
    """Made by a plain POST with a field more and one fewer, it is what the types say after `crds apply`, which tells
    what it did; a second time it changes nothing.
    """
    async with no_definition(rest):
        older = copy.deepcopy(definition())
        del properties(older)["paused"]
        properties(older)["oldFashioned"] = {"type": "string"}
        await rest.post(CRDS, older, fieldManager="helm")

        assert await command.run("crds", "apply") == (0, "the definition of SpeechPipelines: changed\n")
        assert properties(await rest.get(DEFINITION)).keys() == properties(definition()).keys()
        assert await command.run("crds", "apply") == (0, "the definition of SpeechPipelines: unchanged\n")


async def test_a_missing_definition_is_made_and_served(command: Command, rest: Rest, namespace: str):
    """Where there is none, it is made, and pipelines can be written as soon as the command has ended."""
    async with no_definition(rest):
        assert await command.run("crds", "apply") == (0, "the definition of SpeechPipelines: created\n")
        await rest.post(f"{API}/namespaces/{namespace}/speechpipelines", pipeline("voice"))
        await rest.delete(path_of(namespace, "voice"))


async def test_without_the_right_it_says_which_one(
    command: Command, control_plane: ControlPlane, namespace: str, crd: str
):
    """An account that may not touch definitions ends with status 1 and the permission that it lacks."""
    token = await control_plane.service_account_token(namespace, "default")
    status, said = await command.run("crds", "apply", token=token)
    assert status == 1
    assert "customresourcedefinitions" in said
    assert "Traceback" not in said


async def test_the_definition_can_be_printed_without_a_cluster():
    """`crds print` writes the very file of this repository."""
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "speechpipe_operator", "crds", "print")
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, env={"PATH": os.environ["PATH"]})
    out, _ = await process.communicate()
    assert out.decode() == manifest()


async def test_purging_waits_for_pods_before_it_takes_their_volumes(
    command: Command, rest: Rest, namespace: str, crd: str
):
    """Pipelines go first; volumes stay while a pod is left, and go then; those of others stay."""
    await rest.post(f"{API}/namespaces/{namespace}/speechpipelines", pipeline("voice"))
    for name, labels in (("ours", {PIPELINE_LABEL: "voice"}), ("theirs", {})):
        await rest.post(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", _claim(name, labels))
    await rest.post(f"/api/v1/namespaces/{namespace}/pods", _pod("voice-redis-0"))

    process = await command.start("purge", "--namespace", namespace)
    assert process.stdout is not None
    said = [(await process.stdout.readline()).decode() for _ in range(2)]
    assert said[0] == f"deleting SpeechPipeline {namespace}/voice\n"
    assert said[1] == f"waiting for 1 pod(s) to end: {namespace}/voice-redis-0\n"
    assert await rest.find(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/ours") is not None

    await rest.delete(f"/api/v1/namespaces/{namespace}/pods/voice-redis-0", gracePeriodSeconds="0")
    await eventually(lambda: _gone_for_good(rest, namespace), "our claim is about to go")
    await process.communicate()
    assert process.returncode == 0
    left = await rest.items(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims")
    assert [claim["metadata"]["name"] for claim in left] == ["theirs"]
    assert await rest.find(DEFINITION) is not None


async def test_purging_gives_up_by_name(command: Command, rest: Rest, namespace: str, crd: str):
    """A pod that does not end in time is named, and nothing of its volumes is touched."""
    await rest.post(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims", _claim("ours", {PIPELINE_LABEL: "v"}))
    await rest.post(f"/api/v1/namespaces/{namespace}/pods", _pod("stuck"))
    status, said = await command.run("purge", "--namespace", namespace, "--timeout", "0")
    assert status == 1
    assert f"1 pod(s) still there after 0 s: {namespace}/stuck" in said
    assert await rest.find(f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/ours") is not None


async def test_purging_where_nothing_is_known_does_nothing(command: Command, rest: Rest, namespace: str):
    """Without a definition there is no pipeline, and that is no error."""
    async with no_definition(rest):
        assert await command.run("purge", "--namespace", namespace, "--definition") == (0, "")


async def _gone_for_good(rest: Rest, namespace: str) -> bool:
    """No controller is here that takes the finalizer off a claim, as the real one does when no pod uses it."""
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/ours"
    found = await rest.find(path)
    if found is not None and "deletionTimestamp" in found["metadata"]:
        await rest.merge(path, {"metadata": {"finalizers": None}})
    return found is None


def _claim(name: str, labels: dict[str, str]) -> dict[str, Any]:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _pod(name: str) -> dict[str, Any]:
    metadata = {"name": name, "labels": {PIPELINE_LABEL: "voice"}}
    spec = {"containers": [{"name": "redis", "image": "valkey"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
