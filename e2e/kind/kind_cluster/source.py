"""Where the nodes' image and their Docker Engine come from."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from kind_cluster.steps import StepError

OFFICIAL = "kindest/node:v1.34.0"
SETTING = "NODE_IMAGE"
"""Environment: a node image such as kindest/node:v1.33.4, or ``built`` to build one. Unset: the official one where
Docker and a registry are there, else built."""
ENGINE_SECONDS = 10.0
PULL_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Source:
    """Our own engine and a built image, or the machine's engine and an image it can pull."""

    engine: Literal["own", "given"]
    image: str = ""
    """The official image; empty where it is to be built."""


BUILT = Source("own")


def choose(
    env: Mapping[str, str], has_docker: Callable[[], bool], can_have: Callable[[str], bool], before: str | None = None
) -> Source:
    """Decide.

    Args:
        env: for `SETTING`.
        has_docker: whether a Docker Engine answers.
        can_have: whether an image is there or can be pulled.
        before: the engine of a cluster that is up already; nothing is asked then, unless the environment insists.

    Raises:
        StepError: the environment names an image that can't be had.
    """
    wanted = env.get(SETTING, "")
    if wanted == "built" or (not wanted and before == "own"):
        return BUILT
    image = wanted or OFFICIAL
    if not wanted and before == "given":
        return Source("given", image)
    if has_docker() and can_have(image):
        return Source("given", image)
    if wanted:
        raise StepError(
            f"{SETTING}={wanted} can't be pulled: is a Docker Engine running, and is its registry reachable?"
        )
    return BUILT


def docker_answers() -> bool:
    """Whether this machine's docker command reaches an engine, asked for 10 s at most."""
    return _succeeds(["docker", "version"], ENGINE_SECONDS)


def docker_has(image: str) -> bool:
    """Whether an image is there, or is after five minutes of pulling."""
    present = _succeeds(["docker", "image", "inspect", image], ENGINE_SECONDS)
    return present or _succeeds(["docker", "pull", "--quiet", image], PULL_SECONDS)


def _succeeds(command: list[str], seconds: float) -> bool:
    try:
        return subprocess.run(command, capture_output=True, timeout=seconds, check=False).returncode == 0
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
