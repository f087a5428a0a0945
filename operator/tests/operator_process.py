"""The operator as a process of its own, run under exactly the roles that are shipped."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ruamel.yaml import YAML

from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest

RBAC = Path(__file__).resolve().parents[1] / "rbac"
OPERATOR_NAMESPACE = "speechpipe"
PIPELINES_NAMESPACE = "speech"
"""Names in the shipped files, which tests replace."""
RULES = "/apis/rbac.authorization.k8s.io/v1"
POLL_SECONDS = 0.05
PATIENCE_SECONDS = 90.0
CALM_LEASE = "60"
"""LEASE_SECONDS where nothing waits for its end: an operator that could not renew in time ends, and no kubelet starts
it again here. On a busy machine an API server can keep it waiting for seconds.
"""
SHORT_LEASE = "9"
"""LEASE_SECONDS where another operator waits for its end."""
_SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")


class OperatorProcess:
    """One operator process.

    Args:
        name: of its log file, and in its logs.
        directory: for files.
        kubeconfig: who it is.
        env: settings.
    """

    def __init__(self, name: str, directory: Path, kubeconfig: Path, env: dict[str, str]) -> None:
        self.name = name
        self.log = directory / f"{name}.log"
        self._env = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "KUBECONFIG": str(kubeconfig),
            "INSTANCE_ID": name,
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": "0",
            "LOG_FORMAT": "json",
            **env,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._began_at = 0

    def start(self) -> None:
        """Start it, or start it again; its log goes on."""
        self._began_at = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "speechpipe_operator"], env=self._env, stdout=log, stderr=log
            )

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process is not None
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end; the exit status."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, PATIENCE_SECONDS)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.running:
            self.signal(signal.SIGKILL)
            await self.ended()

    @contextlib.asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Start it again whenever it ends, as a kubelet does."""
        keeping = asyncio.create_task(self._keep_alive())
        try:
            yield
        finally:
            keeping.cancel()

    async def _keep_alive(self) -> None:
        while True:
            if not self.running:
                self.start()
            await asyncio.sleep(POLL_SECONDS)

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        return await self.ended()

    def lines(self, event: str = "") -> list[dict]:
        """Log lines since the last start, of that event if one is given."""
        if not self.log.exists():
            return []
        with self.log.open("rb") as log:
            log.seek(self._began_at)
            texts = log.read().decode().splitlines()
        parsed = [json.loads(text) for text in texts if text.startswith("{")]
        return [line for line in parsed if not event or line["event"] == event]

    async def said(self, event: str, where: Callable[[dict], bool] = lambda _: True) -> dict:
        """Wait until it has logged that event; the line.

        Raises:
            AssertionError: not in time, or the process has ended; with the end of its log.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := [line for line in self.lines(event) if where(line)]):
            if time.monotonic() > deadline or not self.running:
                raise AssertionError(f"{self.name} did not say {event}:\n{self.log.read_text()[-4000:]}")
            await asyncio.sleep(POLL_SECONDS)
        return found[0]

    async def get(self, path: str) -> tuple[int, str]:
        """Status and body of a path of its health port."""
        port = (await self.said("listening"))["port"]
        return await asyncio.to_thread(_get, f"http://127.0.0.1:{port}{path}")

    async def ready(self) -> dict:
        """What ``/ready`` says."""
        return json.loads((await self.get("/ready"))[1])

    async def until_ready(self) -> dict:
        """Wait until ``/ready`` answers 200; what it says."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (answer := await self.get("/ready"))[0] != 200:  # noqa: ASYNC110 - another process
                await asyncio.sleep(POLL_SECONDS)
        return json.loads(answer[1])

    async def metric(self, name: str) -> dict[str, float]:
        """The samples of a metric: value by labels, as they are written."""
        text = (await self.get("/metrics"))[1]
        samples = (_SAMPLE.fullmatch(line) for line in text.splitlines())
        return {match[2] or "": float(match[3]) for match in samples if match and match[1] == name}


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Operators:
    """Starts operators of one test under one account, and ends them with it.

    Args:
        plane: the cluster.
        rest: its administrator.
        directory: for files.
        namespace: of the operators, and of pipelines where ``clusterwide`` is False.
        clusterwide: which of the shipped files grants the rights.
    """

    def __init__(self, plane: ControlPlane, rest: Rest, directory: Path, namespace: str, *, clusterwide: bool) -> None:
        self._plane, self._rest, self._directory = plane, rest, directory
        self.namespace, self._clusterwide = namespace, clusterwide
        self._kubeconfig = directory / "kubeconfig"
        self._made: list[OperatorProcess] = []

    async def grant(self, without: tuple[tuple[str, str], ...] = ()) -> None:
        """Make the account and its roles, without the given (resource, verb) pairs."""
        file = RBAC / ("cluster.yaml" if self._clusterwide else "namespaced.yaml")
        for document in YAML(typ="safe", pure=True).load_all(file.read_text()):
            await self._apply(self._placed(document, without))
        token = await self._plane.service_account_token(self.namespace, "speechpipe-operator")
        self._plane.kubeconfig(self._kubeconfig, user="operator", token=token)

    def start(self, name: str = "one", **env: str) -> OperatorProcess:
        """Start an operator; settings besides the usual ones in ``env``."""
        usual = {"OPERATOR_NAMESPACE": self.namespace, "LEASE_SECONDS": CALM_LEASE, "CHECK_SECONDS": "2"}
        if not self._clusterwide:
            usual["WATCH_NAMESPACES"] = self.namespace
        made = OperatorProcess(name, self._directory, self._kubeconfig, usual | env)
        self._made.append(made)
        made.start()
        return made

    async def close(self) -> None:
        """Kill them all, and take the rights away."""
        for made in self._made:
            await made.kill()
        if self._clusterwide:
            for plural in ("clusterrolebindings", "clusterroles"):
                await self._rest.discard(f"{RULES}/{plural}/{self._cluster_name}")

    @property
    def _cluster_name(self) -> str:
        return f"speechpipe-operator-{self.namespace}"

    def _placed(self, document: dict, without: tuple[tuple[str, str], ...]) -> dict:
        text = json.dumps(document)
        for name in (OPERATOR_NAMESPACE, PIPELINES_NAMESPACE):
            text = text.replace(f'"namespace": "{name}"', f'"namespace": "{self.namespace}"')
        placed = json.loads(text)
        if placed["kind"] in ("ClusterRole", "ClusterRoleBinding"):
            placed["metadata"]["name"] = self._cluster_name
        if placed.get("roleRef", {}).get("kind") == "ClusterRole":
            placed["roleRef"]["name"] = self._cluster_name
        placed["rules"] = [part for rule in placed.get("rules", []) for part in _split(rule, without)]
        return placed if placed["rules"] else {key: value for key, value in placed.items() if key != "rules"}

    async def _apply(self, document: dict) -> None:
        plurals = {"ServiceAccount": "serviceaccounts", "Role": "roles", "RoleBinding": "rolebindings"}
        plural = plurals.get(document["kind"], f"{document['kind'].lower()}s")
        root = "/api/v1" if document["kind"] == "ServiceAccount" else RULES
        inside = f"/namespaces/{self.namespace}" if "namespace" in document["metadata"] else ""
        await self._rest.apply(f"{root}{inside}/{plural}/{document['metadata']['name']}", document, manager="tests")


def _split(rule: dict, without: tuple[tuple[str, str], ...]) -> list[dict]:
    """The rule resource by resource, less what is not granted."""
    parts = []
    for resource in rule["resources"]:
        verbs = [verb for verb in rule["verbs"] if (resource, verb) not in without]
        if verbs:
            parts.append({"apiGroups": rule["apiGroups"], "resources": [resource], "verbs": verbs})
    return parts


@contextlib.asynccontextmanager
async def operators(
    plane: ControlPlane, directory: Path, namespace: str, *, clusterwide: bool = False
) -> AsyncIterator[Operators]:
    """Operators that end with the block."""
    async with plane.rest() as rest:
        made = Operators(plane, rest, directory, namespace, clusterwide=clusterwide)
        try:
            yield made
        finally:
            await made.close()
