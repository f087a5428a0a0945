"""``/health``, ``/ready`` and ``/metrics`` of a gateway of several processes: what each of them says, put together."""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import aiohttp
import msgspec
from aiohttp import web
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from speechpipe_common.health import HealthPortError

ANSWER_SECONDS: Final = 2.0
"""How long a process may take; a probe waits as long."""


class Overview:
    """Serves the three paths; an async context manager.

    The gateway is ready while every process is: the kernel spreads connections over all of them and knows of no
    readiness. Each metric has a label ``process`` more: its number, or ``parent`` for the process that has the others.

    Args:
        instance: name of the gateway.
        ports: health port of each process, None while it has none yet; looked at with each request.
        registry: of the parent.
        host: to listen on.
        port: to listen on.
    """

    def __init__(
        self, instance: str, ports: Sequence[int | None], registry: CollectorRegistry, host: str, port: int
    ) -> None:
        self._instance = instance
        self._ports = ports
        self._registry = registry
        self._host, self._port = host, port
        app = web.Application()
        app.add_routes(
            [web.get("/health", self._health), web.get("/ready", self._ready), web.get("/metrics", self._metrics)]
        )
        self._runner = web.AppRunner(app, access_log=None)

    async def __aenter__(self) -> "Overview":
        self._client = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS))
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            await self.__aexit__()
            raise HealthPortError(
                f"HEALTH_PORT {self._port} on {self._host} cannot be opened ({error.strerror or error}): "
                "stop what listens there, or set HEALTH_PORT to another port"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._client.close()

    async def _ready(self, _request: web.Request) -> web.Response:
        said = await self._ask_all("ready")
        ready = all(one.get("ready") for one in said)
        return web.json_response({"ready": ready, "reasons": reasons(said)}, status=200 if ready else 503)

    async def _health(self, _request: web.Request) -> web.Response:
        said = await self._ask_all("health")
        why = reasons(said)
        depths = [one["queue_depth"] for one in said if one.get("queue_depth") is not None]
        return web.json_response(
            {
                "status": "degraded" if why else "healthy",
                "reasons": why,
                "instance_id": self._instance,
                "queue_depth": max(depths, default=None),
                "max_queue_depth": max((one["max_queue_depth"] for one in said if "max_queue_depth" in one), default=0),
                "metrics": summed([one.get("metrics", {}) for one in said]),
                "processes": said,
                "timestamp": time.time(),
            }
        )

    async def _metrics(self, _request: web.Request) -> web.Response:
        texts = await asyncio.gather(*(self._get(port, "metrics") for port in self._ports))
        of_children = {str(number): text.decode() for number, text in enumerate(texts) if text is not None}
        parts = {number: list(text_string_to_metric_families(text)) for number, text in of_children.items()}
        merged = Merged({"parent": list(self._registry.collect()), **parts})
        return web.Response(body=generate_latest(merged), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _ask_all(self, path: str) -> list[dict[str, Any]]:
        bodies = await asyncio.gather(*(self._get(port, path) for port in self._ports))
        return [{"reasons": {"process": "does not answer"}} if body is None else _json(body) for body in bodies]

    async def _get(self, port: int | None, path: str) -> bytes | None:
        if port is None:
            return None
        try:
            async with self._client.get(f"http://127.0.0.1:{port}/{path}") as answer:
                return await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return None


class Merged(Collector):
    """Metrics of several processes, each sample with a label ``process``."""

    def __init__(self, parts: Mapping[str, Sequence[Metric]]) -> None:
        self._parts = parts

    def collect(self) -> Iterator[Metric]:
        """One family for each name, whichever processes have it."""
        families: dict[str, Metric] = {}
        for process, metrics in self._parts.items():
            for metric in metrics:
                family = families.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    family.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
        yield from families.values()


def reasons(said: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What is wrong with which process."""
    return {
        f"process {number}: {name}": reason
        for number, one in enumerate(said)
        for name, reason in one.get("reasons", {}).items()
    }


def summed(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Sums over all processes; what each of them sees of Redis is in them as often as there are processes."""
    names = dict.fromkeys(name for one in metrics for name in one)
    return {name: sum(one.get(name, 0.0) for one in metrics) for name in names}


def _json(body: bytes) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.json.decode(body)
    return said
