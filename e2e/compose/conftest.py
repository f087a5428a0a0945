"""The images, and compose.yaml, on a real Docker Engine.

ARCHIVES names the files to load first. Without it the engine must have the images; where no engine answers either, as
beside a cluster that KUBECONFIG names, there is nothing to test with.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from engine import COMMAND_SECONDS, PATIENCE_SECONDS, ROOT, CommandError, Stack, answers, docker
from image_list import IMAGES, REGISTRY, version  # type: ignore[import-not-found]  # of scripts

KEPT = ROOT / "build" / "e2e-compose"
WORKERS = 3


@pytest.fixture(scope="session")
def registry() -> str:
    """What stands before the names of the images."""
    return os.environ.get("REGISTRY") or REGISTRY


@pytest.fixture(scope="session")
def loaded(registry: str) -> dict[str, str]:
    """References of the images by name; the engine has them."""
    archives = os.environ.get("ARCHIVES", "").split()
    if not archives and not answers():
        pytest.skip("no ARCHIVES, and no Docker Engine answers")
    for archive in archives:
        docker("load", "--quiet", f"--input={archive}", seconds=COMMAND_SECONDS * 4)
    tag = os.environ.get("TAG") or version()
    return {image.label: image.reference(registry, tag) for image in IMAGES.values() if image.by_default}


@pytest.fixture(scope="module")
def stack(loaded: dict[str, str]) -> Iterator[Stack]:
    """A whole pipeline with three STT workers, all of it ready."""
    env = {
        "REDIS_IMAGE": loaded["valkey"],
        "GATEWAY_PORT": "0",  # any free port
        "HEALTH_PORT": "0",
        "DEFAULT_TARGET_LANGUAGES": "es",
        "SILENCE_THRESHOLD_SECONDS": "3",  # audio that a busy machine sends late is no pause
    }
    made = Stack(f"speechpipe-{uuid.uuid4().hex[:8]}", env)
    try:
        made.compose("up", "--detach", "--no-build", "--scale", f"stt={WORKERS}")
        yield made
    finally:
        keep_logs(made)
        made.compose("down", "--volumes", "--remove-orphans")


def keep_logs(stack: Stack) -> None:
    """Write down what the containers said."""
    KEPT.mkdir(parents=True, exist_ok=True)
    try:
        (KEPT / "compose.log").write_text(stack.compose("logs", "--no-color"))
    except CommandError as error:
        (KEPT / "compose.log").write_text(str(error))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this waits for containers."""
    for item in items:
        item.add_marker(pytest.mark.timeout(3 * PATIENCE_SECONDS))
