"""A Docker Engine of our own in network, mount and process namespaces of its own, with no uplink.

One process holds it all: `unshare`, whose end the kernel makes the end of the engine, its containers and whatever runs
in them; the mounts and interfaces go with the namespaces. What stays are files in the work folder and empty cgroups.
"""

import contextlib
import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kind_cluster import runc_wrapper
from kind_cluster.processes import Owned
from kind_cluster.steps import StepError, run, tail, wait_until

HERE = Path(__file__).resolve().parent
CGROUPS = Path("/sys/fs/cgroup")
READY_SECONDS = 180.0
GONE_SECONDS = 120.0
PROCESSES = 4
"""As many of a cluster's want a processor at once, most of the time."""


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine keeps its things; nothing is running just because there is one of these."""

    work: Path
    """A folder of its own, on a file system that overlayfs can stand on."""

    @property
    def socket(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self.work}/docker.sock"

    @property
    def env(self) -> dict[str, str]:
        """What makes Docker's client, and kind, talk to this engine."""
        return {"DOCKER_HOST": self.socket, "DOCKER_BUILDKIT": "0", "DOCKER_CONTEXT": ""}

    @property
    def cgroup(self) -> str:
        """Name of the cgroup that holds every container's."""
        return f"speechpipe-{self.work.name}"

    @property
    def log(self) -> Path:
        """What dockerd says."""
        return self.work / "dockerd.log"

    def launch(self) -> "Launch":
        """Start the process that will hold the engine; it waits for `Launch.begin`."""
        self.work.mkdir(parents=True)
        runtime = self.work / "runc"
        runtime.write_text(f'#!/bin/sh\nexec {sys.executable} -I {runc_wrapper.__file__} "$@"\n')
        runtime.chmod(0o755)
        config = self.work / "daemon.json"
        config.write_text(json.dumps(daemon_config(self.work, self.cgroup), indent=2))
        namespaces = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child")
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                [*namespaces, "sh", str(HERE / "engine-init.sh"), str(config)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us: we take down what has to be taken down
            )
        return Launch(self, process)

    def weigh(self, groups: Path = CGROUPS) -> None:
        """Let the kernel give it as much of the processors as `PROCESSES` others get.

        A cgroup counts as one process among those outside of it: beside a few of them a whole cluster would starve.
        """
        for file, weight in (
            ("cpu/{}/cpu.shares", 1024),
            ("{}/cpu.weight", 100),
        ):  # versions 1 and 2, and their defaults
            path = groups / file.format(self.cgroup)
            if (path.parent.parent / "cgroup.procs").is_file():
                with contextlib.suppress(OSError):  # as where somebody else decides about this: it only takes longer
                    path.parent.mkdir(exist_ok=True)
                    path.write_text(str(PROCESSES * weight))

    def remove_traces(self) -> None:
        """Remove cgroups and files of an engine that has ended. Does nothing where there are none.

        Raises:
            StepError: processes of the engine are still there after `GONE_SECONDS`.
        """
        wait_until("the last processes of the engine to end", GONE_SECONDS, self._cgroups_gone, every=0.1)
        run(["rm", "-rf", str(self.work)], self.work.parent / "logs" / "remove.log")  # some 300,000 files

    def _cgroups_gone(self) -> bool:
        for top in (CGROUPS / self.cgroup, *CGROUPS.glob(f"*/{self.cgroup}")):
            for folder, _, _ in os.walk(top, topdown=False):
                try:
                    Path(folder).rmdir()
                except FileNotFoundError:
                    continue
                except OSError as error:
                    if error.errno != errno.EBUSY:
                        raise
                    return False
        return True

    def inside(self, owner: Owned) -> tuple[str, ...]:
        """What to put before a command so that it runs in the engine's network."""
        return ("nsenter", f"--net=/proc/{owner.pid}/ns/net", "--")


@dataclass(frozen=True, slots=True)
class Launch:
    """An engine whose holder runs and waits for a word."""

    engine: Engine
    process: "subprocess.Popen[bytes]"

    @property
    def owner(self) -> Owned:
        """To be written down before `begin`."""
        return Owned.of(self.process.pid)

    def begin(self) -> None:
        """Let the engine start, and wait until it answers.

        Raises:
            StepError: it ended, or does not answer in `READY_SECONDS`.
        """
        assert self.process.stdin is not None
        with self.process.stdin as stdin:
            stdin.write(b"begin\n")
        wait_until("the Docker Engine to answer", READY_SECONDS, self._answers, every=0.2)

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            said = "\n".join(tail(self.engine.log, 20))
            raise StepError(f"the Docker Engine ended with status {self.process.returncode}:\n{said}")
        version = subprocess.run(
            ["docker", "version"], env={**os.environ, **self.engine.env}, capture_output=True, check=False
        )
        return version.returncode == 0


def daemon_config(work: Path, cgroup: str) -> dict[str, Any]:
    """Settings of dockerd: every file below ``work``, addresses that no one else sees.

    Without ``oom-score-adjust`` 0 it fails where CAP_SYS_RESOURCE is missing, and so do containers without our runtime.
    """
    return {
        "data-root": str(work / "data"),
        "exec-root": str(work / "exec"),
        "pidfile": str(work / "docker.pid"),
        "hosts": [f"unix://{work}/docker.sock"],
        "deprecated-key-path": str(work / "key.json"),
        "storage-driver": "overlay2",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "cgroup-parent": f"/{cgroup}",
        "oom-score-adjust": 0,
        "runtimes": {"reduced": {"path": str(work / "runc")}},
        "default-runtime": "reduced",
        "bip": "172.30.0.1/24",
        "default-address-pools": [{"base": "172.31.0.0/16", "size": 24}],
    }
