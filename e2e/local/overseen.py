"""An operator beside a pipeline of real processes: it reads the same Redis, on a real API server where its pods only
pretend to run.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from processes import Service
from world import World

from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fixtures import install_crd
from speechpipe_operator.testing.kubelet import FakeKubelet
from speechpipe_operator.testing.nodes import FakeNode
from speechpipe_operator.testing.rest import Rest

PIPELINE = "voice"
NAMESPACE = "speech"
OPERATOR_NAMESPACE = "speechpipe"
"""As in the roles that are shipped; the operator of this test is an administrator."""


def document(redis_url: str) -> dict[str, Any]:
    """A pipeline around a Redis that is there already, whose workers are scaled."""
    scaled = {"autoscaling": {"minReplicas": 1, "maxReplicas": 2}}
    return {
        "apiVersion": "speechpipe.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": PIPELINE},
        "spec": {
            "languages": {"source": "en", "targets": ["es"]},
            "redis": {"external": {"url": redis_url}},
            "gateway": {"auth": {"mode": "none"}},
            "stt": scaled,
            "translation": scaled,
        },
    }


@contextlib.asynccontextmanager
async def overseen(world: World, directory: Path) -> AsyncIterator[Service]:
    """The operator's process, ready, with the pipeline applied; it and its cluster end with the block."""
    plane = ControlPlane(directory / "cluster", controllers=True)
    try:
        await asyncio.to_thread(plane.start)
        async with plane.rest() as rest, FakeKubelet(rest, [FakeNode("node")]):
            await _prepare(rest)
            operator = _operator(plane, directory)
            operator.start()
            try:
                await world.until_ready(operator)
                path = f"/apis/speechpipe.dev/v1alpha1/namespaces/{NAMESPACE}/speechpipelines/{PIPELINE}"
                await rest.apply(path, document(world.valkey.url), manager="a-user")
                yield operator
            finally:
                operator.kill()
    finally:
        await asyncio.to_thread(plane.close)


async def _prepare(rest: Rest) -> None:
    for name in (NAMESPACE, OPERATOR_NAMESPACE):
        await rest.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await install_crd(rest)


def _operator(plane: ControlPlane, directory: Path) -> Service:
    settings = {
        "KUBECONFIG": str(plane.kubeconfig(directory / "kubeconfig")),
        "OPERATOR_NAMESPACE": OPERATOR_NAMESPACE,
        "CHECK_SECONDS": "2",
    }
    return Service("operator", ("-m", "speechpipe_operator"), settings, directory / "operator.log")
