"""Pods of the chart as processes of this machine, each under the rights of its ServiceAccount.

The command, arguments and environment are those of the pod; only ports and addresses are this machine's.
"""

import asyncio
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from helm import Document

from speechpipe_common.testing import eventually
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fates import READY, PodFate
from speechpipe_operator.testing.server import free_ports

READY_SECONDS = 120.0
END_SECONDS = 60.0


@dataclass
class PodProcesses:
    """``start`` and ``stop`` are what a ``FakeKubelet`` is given.

    Args:
        plane: the cluster.
        folder: for kubeconfigs and logs.
        gateway: address that stands for every gateway's Service.
        samples: folder that stands for the client image's samples.
    """

    plane: ControlPlane
    folder: Path
    gateway: str = "ws://127.0.0.1:1/ws"
    samples: Path | None = None
    ports: dict[str, int] = field(default_factory=dict)
    """Health port by name of the operator's pod."""
    _running: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    _kept: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def start(self, pod: Document) -> PodFate:
        """Run the pod, to its end where it has one; pods of pipelines only seem to run."""
        (first, *_) = pod["spec"]["containers"]
        command = [*first.get("command", ()), *first.get("args", ())]
        if command[:3] == ["python", "-m", "speechpipe_operator"]:
            command = [sys.executable, *command[1:]]
        elif command[:2] == ["speechpipe", "verify"]:
            command = self._verify(command)
        else:
            return READY
        environment = await self._environment(pod)
        process = await self._spawn(pod, command, environment)
        if pod["spec"].get("restartPolicy") == "Never":
            return PodFate(ready=False, exit_code=await process.wait())
        self._kept[pod["metadata"]["uid"]] = asyncio.create_task(self._keep(pod, command, environment))
        await eventually(lambda: asyncio.to_thread(self._answers, _name(pod)), f"{_name(pod)} is ready", READY_SECONDS)
        return READY

    async def stop(self, pod: Document) -> None:
        """SIGTERM, and the wait for the end."""
        keeping = self._kept.pop(pod["metadata"]["uid"], None)
        if keeping is not None:
            keeping.cancel()
        process = self._running.pop(pod["metadata"]["uid"], None)
        if process is None or process.returncode is not None:
            return
        process.terminate()
        await asyncio.wait_for(process.wait(), END_SECONDS)

    def log(self, pod: str) -> str:
        """What a pod has written."""
        return (self.folder / f"{pod}.log").read_text()

    def read(self, pod: str, path: str) -> str:
        """GET a path of an operator's health port."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports[pod]}{path}", timeout=10) as answer:
            return answer.read().decode()

    async def _spawn(
        self, pod: Document, command: list[str], environment: dict[str, str]
    ) -> asyncio.subprocess.Process:
        with (self.folder / f"{_name(pod)}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=log, stderr=log)
        self._running[pod["metadata"]["uid"]] = process
        return process

    async def _keep(self, pod: Document, command: list[str], environment: dict[str, str]) -> None:
        """Start it again whenever it ends; an operator does when a busy machine lets it lose its lease."""
        while True:
            await self._running[pod["metadata"]["uid"]].wait()
            await self._spawn(pod, command, environment)

    async def _environment(self, pod: Document) -> dict[str, str]:
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
        token = await self.plane.service_account_token(metadata["namespace"], account)
        kubeconfig = self.plane.kubeconfig(self.folder / f"{_name(pod)}.kubeconfig", user=account, token=token)
        fields = {"metadata.name": metadata["name"], "metadata.namespace": metadata["namespace"]}
        given = {
            # The API server drops what is empty.
            item["name"]: fields[item["valueFrom"]["fieldRef"]["fieldPath"]]
            if "valueFrom" in item
            else item.get("value", "")
            for item in pod["spec"]["containers"][0].get("env", ())
        }
        (port,) = free_ports(1)
        self.ports[_name(pod)] = port
        local = {"HEALTH_HOST": "127.0.0.1", "HEALTH_PORT": str(port), "KUBECONFIG": str(kubeconfig)}
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), **given, **local}

    def _verify(self, command: list[str]) -> list[str]:
        local = {"--url": self.gateway, "--samples": str(self.samples)}
        values = [local.get(before, value) for before, value in zip(["", *command], command, strict=False)]
        return [str(Path(sys.executable).with_name("speechpipe")), *values[1:]]

    def _answers(self, pod: str) -> bool:
        try:
            return bool(self.read(pod, "/ready"))
        except (urllib.error.URLError, OSError):
            return False


def _name(pod: Document) -> str:
    name: str = pod["metadata"]["name"]
    return name
