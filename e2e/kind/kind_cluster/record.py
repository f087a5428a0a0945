"""What is written down about a running cluster, so that any later run finds and removes what this one leaves."""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from kind_cluster import cache
from kind_cluster.engine import Engine
from kind_cluster.processes import Owned

NAME = "speechpipe"
"""Of the kind cluster; its nodes are speechpipe-control-plane, speechpipe-worker and speechpipe-worker2."""


class Record(BaseModel):
    """One run's cluster. It is written before there is anything to remove, and removed after everything else."""

    model_config = ConfigDict(frozen=True)

    engine: Literal["own", "given"]
    """Our own Docker Engine, without an uplink, or the one that this machine's docker command talks to."""
    work: Path | None = None
    """The own engine's folder."""
    owner: Owned | None = None
    """The process that holds the own engine."""
    kernel: dict[str, str] = {}
    """Settings of the machine's kernel before the own engine came."""
    stage: Literal["starting", "engine", "creating", "cluster"] = "starting"
    """What is ready, or was about to be made."""

    def alive(self) -> bool:
        """Whether the engine is there."""
        return self.engine == "given" or (self.owner is not None and self.owner.alive())

    @property
    def env(self) -> dict[str, str]:
        """Variables for whoever talks to the engine."""
        return Engine(self.work).env if self.work else {}

    @property
    def prefix(self) -> tuple[str, ...]:
        """What to put before a command that is to reach the nodes."""
        return Engine(self.work).inside(self.owner) if self.work and self.owner else ()


def folder() -> Path:
    """Where everything of the cluster is: ``cluster`` in the cache, or ``cluster-$CLUSTER`` for a second one."""
    name = os.environ.get("CLUSTER")
    return cache.root() / (f"cluster-{name}" if name else "cluster")


def kubeconfig() -> Path:
    """The cluster's kubeconfig, once it is ready."""
    return folder() / "kubeconfig"


def logs() -> Path:
    """Folder of the logs of the last creation."""
    return folder() / "logs"


def read() -> Record | None:
    """The record of a cluster that is, or was not removed; None where there is none."""
    try:
        return Record.model_validate_json(_file().read_text())
    except FileNotFoundError:
        return None


def write(record: Record) -> Record:
    """Put a record in place, whole or not at all."""
    folder().mkdir(parents=True, exist_ok=True)
    beside = _file().with_suffix(".new")
    beside.write_text(record.model_dump_json(indent=2) + "\n")
    beside.replace(_file())
    return record


def forget() -> None:
    """Remove the record and the kubeconfig."""
    kubeconfig().unlink(missing_ok=True)
    _file().unlink(missing_ok=True)


def _file() -> Path:
    return folder() / "record.json"
