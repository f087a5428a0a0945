"""How the operator bears many SpeechPipelines: etcd and a real API server, no controllers, the operator as a process.

Prints counts, and ratios to the bars: p95 from a change to its children applied < 2 s, resident memory < 400 MiB. At
rest it prints requests to the API server and CPU seconds a minute, without and with polling of Redis.

    python bench/operator_scale.py --pipelines 1000
"""

import argparse
import asyncio
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from speechpipe_common.testing import ValkeyServer
from speechpipe_operator.objects import PIPELINE_LABEL
from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fixtures import install_crd
from speechpipe_operator.testing.rest import Rest

P95_BAR_SECONDS = 2.0
MEMORY_BAR_MIB = 400
CHANGES = 200
AT_ONCE = 16
REST_SECONDS = 60.0
QUIET_SECONDS = 20.0
NAMESPACES = 10
KINDS = {
    "deployments": "/apis/apps/v1/deployments",
    "statefulsets": "/apis/apps/v1/statefulsets",
    "services": "/api/v1/services",
    "configmaps": "/api/v1/configmaps",
    "serviceaccounts": "/api/v1/serviceaccounts",
    "networkpolicies": "/apis/networking.k8s.io/v1/networkpolicies",
    "poddisruptionbudgets": "/apis/policy/v1/poddisruptionbudgets",
}
_SAMPLE = re.compile(r'speechpipe_operator_api_requests_total\{code="(\w+)",kind="([^"]+)",verb="(\w+)"\} (\S+)')


class Operator:
    """The operator's process, and what it costs."""

    def __init__(self, kubeconfig: Path, directory: Path, *, polling: bool) -> None:
        self.log = directory / f"operator-{'polling' if polling else 'still'}.log"
        env = os.environ | {
            "KUBECONFIG": str(kubeconfig),
            "OPERATOR_NAMESPACE": "default",
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": "0",
            "LOG_FORMAT": "json",
            "REDIS_POLLING": str(polling).lower(),
        }
        with self.log.open("wb") as log:
            argv = [sys.executable, "-m", "speechpipe_operator"]
            self._process = subprocess.Popen(argv, env=env, stdout=log, stderr=log)  # noqa: S603 - our own command

    async def said(self, event: str, seconds: float = 600.0) -> str:
        """Wait until it has logged that event; the line."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            for line in self.log.read_text().splitlines():
                if f'"event": "{event}"' in line:
                    return line
            await asyncio.sleep(0.1)
        raise RuntimeError(f"the operator did not say {event}: {self.log.read_text()[-2000:]}")

    async def requests(self) -> dict[str, float]:
        """Requests so far by verb and kind."""
        port = re.search(r'"port": (\d+)', await self.said("listening"))
        assert port is not None
        text = await asyncio.to_thread(_read, f"http://127.0.0.1:{port[1]}/metrics")
        found: dict[str, float] = {}
        for _, kind, verb, value in _SAMPLE.findall(text):
            found[f"{verb} {kind}"] = found.get(f"{verb} {kind}", 0.0) + float(value)
        return found

    def memory(self) -> tuple[float, float]:
        """Resident MiB: now, and the most so far."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        sizes = [re.search(rf"{name}:\s+(\d+) kB", text) for name in ("VmRSS", "VmHWM")]
        now, most = (int(size[1]) / 1024 for size in sizes if size is not None)
        return now, most

    def cpu(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """SIGTERM, and wait."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)


def tell(line: str) -> None:
    """A line of the result, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - loopback
        text: str = answer.read().decode()
    return text


def pipeline(name: str, redis: dict[str, Any], port: int = 5026) -> dict[str, Any]:
    """A pipeline with all components."""
    spec = {
        "languages": {"source": "en", "targets": ["es"]},
        "redis": redis,
        "gateway": {"replicas": 1, "auth": {"mode": "none"}, "port": port},
        "stt": {"autoscaling": {"minReplicas": 1, "maxReplicas": 4}},
        "translation": {"autoscaling": {"minReplicas": 1, "maxReplicas": 4}},
    }
    metadata = {"name": name, "namespace": namespace_of(name)}
    return {"apiVersion": "speechpipe.dev/v1alpha1", "kind": "SpeechPipeline", "metadata": metadata, "spec": spec}


def namespace_of(name: str) -> str:
    """Pipelines are spread over some namespaces."""
    return f"team-{int(name.rpartition('-')[2]) % NAMESPACES}"


async def apply(rest: Rest, document: dict[str, Any]) -> None:
    """Apply as a user does."""
    metadata = document["metadata"]
    path = f"/apis/speechpipe.dev/v1alpha1/namespaces/{metadata['namespace']}/speechpipelines/{metadata['name']}"
    await rest.apply(path, document, manager="bench")


async def apply_all(rest: Rest, documents: list[dict[str, Any]]) -> None:
    """All of them, some at once."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(document: dict[str, Any]) -> None:
        async with slots:
            await apply(rest, document)

    await asyncio.gather(*(one(document) for document in documents))


async def children(rest: Rest) -> dict[str, int]:
    """Children by kind; a list with a selector has no count, so names are fetched."""
    return {
        kind: len(await rest.items(path, labelSelector=PIPELINE_LABEL, resourceVersion="0"))
        for kind, path in KINDS.items()
    }


async def until(rest: Rest, wanted: dict[str, int]) -> None:
    """Wait until there are so many children."""
    while (
        found := {kind: len(await rest.items(KINDS[kind], labelSelector=PIPELINE_LABEL)) for kind in wanted}
    ) != wanted:
        tell(f"  {found}")
        await asyncio.sleep(5)


async def change(rest: Rest, name: str, redis: dict[str, Any], port: int) -> float:
    """Change a pipeline and wait until its gateway's Deployment has it; seconds."""
    path = f"/apis/apps/v1/namespaces/{namespace_of(name)}/deployments/{name}-gateway"
    began = time.monotonic()
    await apply(rest, pipeline(name, redis, port))
    while True:
        ports = (await rest.get(path))["spec"]["template"]["spec"]["containers"][0]["ports"]
        if any(item["containerPort"] == port for item in ports):
            return time.monotonic() - began
        await asyncio.sleep(0.01)


async def at_rest(operator: Operator, what: str) -> None:
    """What a minute costs in which nothing happens."""
    await asyncio.sleep(QUIET_SECONDS)
    before, cpu, began = await operator.requests(), operator.cpu(), time.monotonic()
    await asyncio.sleep(REST_SECONDS)
    minutes = (time.monotonic() - began) / 60
    used, after = (operator.cpu() - cpu) / minutes, await operator.requests()
    calls = {name: (after[name] - before.get(name, 0)) / minutes for name in after if after[name] > before.get(name, 0)}
    now, most = operator.memory()
    tell(f"at rest, {what}: {sum(calls.values()):.0f} API calls a minute, {used:.1f} CPU seconds a minute")
    tell(f"  calls: {', '.join(f'{name} {number:.0f}' for name, number in sorted(calls.items(), key=lambda x: -x[1]))}")
    tell(f"  memory {now:.0f} MiB, most {most:.0f} MiB: {most / MEMORY_BAR_MIB:.2f} of the bar {MEMORY_BAR_MIB} MiB")


async def measure(plane: ControlPlane, directory: Path, pipelines: int, *, only_polled: bool) -> None:
    """All of it, or the second half alone."""
    kubeconfig = plane.kubeconfig(directory / "kubeconfig")
    names = [f"voice-{number}" for number in range(pipelines)]
    managed: dict[str, Any] = {"managed": {"memory": "64Mi", "storage": {"size": "1Gi"}}}
    async with plane.rest() as rest:
        await install_crd(rest)
        for number in range(NAMESPACES):
            await rest.post("/api/v1/namespaces", {"metadata": {"name": f"team-{number}"}})
        if only_polled:
            await polled(rest, kubeconfig, directory, names)
            return
        operator = Operator(kubeconfig, directory, polling=False)
        await operator.said("active")
        began = time.monotonic()
        await apply_all(rest, [pipeline(name, managed) for name in names])
        tell(f"{pipelines} pipelines applied in {time.monotonic() - began:.0f} s")
        await until(rest, {"deployments": 3 * pipelines, "networkpolicies": 4 * pipelines})
        tell(f"all children there after {time.monotonic() - began:.0f} s: {await children(rest)}")
        await asyncio.sleep(QUIET_SECONDS)
        dice = random.Random(4)
        seconds = [await change(rest, dice.choice(names), managed, 6000 + number) for number in range(CHANGES)]
        p95 = statistics.quantiles(seconds, n=20)[-1]
        tell(
            f"{CHANGES} changes, one after the other: p50 {statistics.median(seconds):.3f} s, p95 {p95:.3f} s "
            f"({p95 / P95_BAR_SECONDS:.2f} of the bar {P95_BAR_SECONDS:g} s), max {max(seconds):.3f} s"
        )
        await at_rest(operator, "Redis not polled")
        operator.stop()
        await polled(rest, kubeconfig, directory, names)


async def polled(rest: Rest, kubeconfig: Path, directory: Path, names: list[str]) -> None:
    """The same pipelines on one external Redis, whose streams are polled."""
    valkey = ValkeyServer(directory / "valkey")
    valkey.start()
    try:
        external = [pipeline(name, {"external": {"url": valkey.url}, "keyPrefix": f"{name}:"}) for name in names]
        await apply_all(rest, external)
        began = time.monotonic()
        operator = Operator(kubeconfig, directory, polling=True)
        await operator.said("active")
        tell(f"a new operator was active after {time.monotonic() - began:.1f} s")
        await until(rest, {"statefulsets": 0, "deployments": 3 * len(names), "networkpolicies": 3 * len(names)})
        tell(f"{len(names)} pipelines on one external Redis after {time.monotonic() - began:.0f} s")
        await at_rest(operator, "Redis polled")
        operator.stop()
    finally:
        valkey.stop()


def main() -> None:
    """Start a control plane, measure, and end it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pipelines", type=int, default=1000)
    parser.add_argument("--only-polled", action="store_true", help="skip what needs no Redis")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speechpipe-scale-") as folder:
        plane = ControlPlane(Path(folder) / "plane")
        plane.start()
        try:
            asyncio.run(measure(plane, Path(folder), arguments.pipelines, only_polled=arguments.only_polled))
        finally:
            plane.close()


if __name__ == "__main__":
    main()
