"""Docker and Compose as a person calls them; which engine, DOCKER_HOST says."""

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
COMMAND_SECONDS = 300.0
PATIENCE_SECONDS = 600.0
"""For what takes seconds on a machine with nothing else to do."""


class CommandError(AssertionError):
    """A command of a test failed; the message has what it said."""


def run(*command: str, env: Mapping[str, str] | None = None, seconds: float = COMMAND_SECONDS) -> str:
    """The standard output of a command.

    Raises:
        CommandError: it failed.
    """
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    if done.returncode != 0:
        raise CommandError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def docker(*arguments: str, seconds: float = COMMAND_SECONDS) -> str:
    """Run ``docker``."""
    return run("docker", *arguments, seconds=seconds)


def answers() -> bool:
    """Whether there is an engine to test with."""
    try:
        docker("version", seconds=PATIENCE_SECONDS)
    except (CommandError, FileNotFoundError):
        return False
    return True


def inspect(kind: str, name: str) -> dict[str, Any]:
    """What the engine knows of an image or a container."""
    (found,) = json.loads(docker("inspect", f"--type={kind}", name))
    return dict(found)


def until(condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until ``condition`` holds.

    Raises:
        AssertionError: it does not within ``seconds``.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.5)


@cache
def compose_command() -> tuple[str, ...]:
    """The plugin where there is one, else the older program of its own."""
    plugin = subprocess.run(("docker", "compose", "version"), capture_output=True, check=False)
    return ("docker", "compose") if plugin.returncode == 0 else ("docker-compose",)


@dataclass(frozen=True)
class Stack:
    """One project of compose.yaml."""

    project: str
    env: Mapping[str, str] = field(default_factory=dict)

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose on it."""
        patience = {"COMPOSE_HTTP_TIMEOUT": str(int(PATIENCE_SECONDS))}  # 60 s of the older program
        command = (*compose_command(), "--project-name", self.project, *arguments)
        return run(*command, env={**self.env, **patience}, seconds=2 * PATIENCE_SECONDS)

    def containers(self, service: str) -> list[str]:
        """Ids of the containers of a service, ended ones too, by the label that every Compose sets."""
        labels = {"project": self.project, "service": service}
        filters = [f"--filter=label=com.docker.compose.{name}={value}" for name, value in labels.items()]
        return docker("ps", "--all", "--quiet", "--no-trunc", *filters).split()

    def healthy(self, service: str, count: int) -> bool:
        """Whether ``count`` containers of a service run, and all say that they are ready."""
        states = [inspect("container", name)["State"] for name in self.containers(service)]
        return [state.get("Health", {}).get("Status") for state in states] == ["healthy"] * count

    def redis(self, *command: str) -> str:
        """What Redis answers."""
        (name,) = self.containers("redis")
        return docker("exec", name, "valkey-cli", *command).strip()
