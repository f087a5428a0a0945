"""pytest fixtures: one control plane per test session, a fresh namespace per test.

``operator/tests/conftest.py`` says ``pytest_plugins = ["speechpipe_operator.testing.fixtures"]``. Sessions that run at
the same time don't see each other: each has folders and ports of its own.
"""

import functools
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from ruamel.yaml import YAML

from speechpipe_common.testing import eventually
from speechpipe_operator.objects import checksum
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import ApiError, Rest

CRD = Path(__file__).resolve().parents[4] / "crds" / "speechpipelines.yaml"
CHECKSUM = "speechpipe.dev/checksum"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Etcd and API server that the whole session shares: objects are kept, nothing acts on them."""
    yield from _started(tmp_path_factory.mktemp("control-plane"), controllers=False)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with the real controllers and scheduler, that the whole session shares; it has no node yet."""
    yield from _started(tmp_path_factory.mktemp("cluster"), controllers=True)


@pytest_asyncio.fixture
async def namespace(control_plane: ControlPlane) -> AsyncIterator[str]:
    """Name of a fresh namespace on ``control_plane`` (with the ServiceAccount ``default``, which no controller makes
    there); deleted afterwards, without waiting for it.
    """
    async with control_plane.rest() as rest:
        async for name in _namespace(rest):
            account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}}
            await rest.post(f"/api/v1/namespaces/{name}/serviceaccounts", account)
            yield name


@pytest_asyncio.fixture
async def cluster_namespace(cluster: ControlPlane) -> AsyncIterator[str]:
    """Name of a fresh namespace on ``cluster``, with its default ServiceAccount; deleted afterwards."""
    async with cluster.rest() as rest:
        async for name in _namespace(rest):
            account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
            await eventually(lambda: rest.find(account), account)  # noqa: B023 - there is one turn
            yield name


@pytest_asyncio.fixture
async def rest(control_plane: ControlPlane) -> AsyncIterator[Rest]:
    """Plain JSON access to ``control_plane`` as its administrator."""
    async with control_plane.rest() as rest:
        yield rest


@pytest_asyncio.fixture
async def cluster_rest(cluster: ControlPlane) -> AsyncIterator[Rest]:
    """Plain JSON access to ``cluster`` as its administrator."""
    async with cluster.rest() as rest:
        yield rest


@pytest_asyncio.fixture
async def crd(rest: Rest) -> str:
    """The SpeechPipeline API is served by ``control_plane``; the CRD's name."""
    return await install_crd(rest)


@pytest_asyncio.fixture
async def cluster_crd(cluster_rest: Rest) -> str:
    """The SpeechPipeline API is served by ``cluster``; the CRD's name."""
    return await install_crd(cluster_rest)


async def install_crd(rest: Rest, file: Path = CRD) -> str:
    """Apply a CustomResourceDefinition and wait until its first version is served; its name.

    Raises:
        FileNotFoundError: the file is missing; ``make generate`` writes ours.
        AssertionError: it was not served in time.
    """
    definition = _parsed(file)
    name: str = definition["metadata"]["name"]
    found = await rest.find(f"{CRDS}/{name}")
    # The API server compiles every rule again for an apply that changes nothing: 0.7 s, in front of each test.
    if found is None or _checksum(found) != _checksum(definition) or not _established(found):
        await rest.apply(f"{CRDS}/{name}", definition, manager="speechpipe-tests")
        await eventually(lambda: _is_established(rest, f"{CRDS}/{name}"), f"{name} is Established")
    return name


def _checksum(definition: dict[str, Any]) -> object:
    return definition["metadata"].get("annotations", {}).get(CHECKSUM)


@functools.cache
def _parsed(file: Path) -> dict[str, Any]:
    """A definition, with a checksum of itself among its annotations; reading its 2,000 lines takes a second."""
    text = file.read_text()
    parsed: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    parsed["metadata"].setdefault("annotations", {})[CHECKSUM] = checksum(text)
    return parsed


def _started(directory: Path, *, controllers: bool) -> Iterator[ControlPlane]:
    plane = ControlPlane(directory, controllers=controllers)
    seconds = plane.start()
    print(f"control plane{' with controllers' * controllers} ready in {seconds:.1f} s: {directory}")  # noqa: T201
    yield plane
    plane.close()


async def _namespace(rest: Rest) -> AsyncIterator[str]:
    name = f"test-{uuid.uuid4().hex[:10]}"
    await rest.post("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    await rest.discard(f"/api/v1/namespaces/{name}")
    # A namespace that ends takes no new pods; what is left of the old ones must not wait for the next test's nodes.
    await rest.discard(f"/api/v1/namespaces/{name}/pods", gracePeriodSeconds="0")


async def _is_established(rest: Rest, path: str) -> bool:
    return _established(await rest.get(path))


def _established(definition: dict[str, Any]) -> bool:
    # The list is null before the first condition.
    conditions = definition.get("status", {}).get("conditions") or ()
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


async def _served(rest: Rest, path: str) -> bool:
    """Established is said a moment before the API is there (404)."""
    try:
        await rest.get(path)
    except ApiError as error:
        if error.status not in (404, 503):
            raise
        return False
    return True
