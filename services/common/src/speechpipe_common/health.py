"""``/health``, ``/ready`` and ``/metrics`` of a process, on a port of their own."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from speechpipe_common.metrics import snapshot
from speechpipe_common.redaction import redact_url

DEPTH_TIMEOUT_SECONDS: Final = 1.0
"""A probe must be answered even when Redis hangs; the depth is null then."""

Check = Callable[[], str | None]
"""None when all is well, else the reason why not, in words."""


class HealthPortError(RuntimeError):
    """The health port cannot be bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HealthSource:
    """What a process tells about itself.

    ``queue_depth`` returns the jobs waiting and in flight, or None where it cannot know; it may raise ``OSError`` or
    a Redis error. ``max_queue_depth`` is None for a process that refuses nothing. ``checks`` decide on readiness;
    ``notices`` are said with them and decide nothing, since the process has more to do than what they speak of.
    """

    instance_id: str
    registry: CollectorRegistry
    checks: Mapping[str, Check] = field(default_factory=dict)
    notices: Mapping[str, Check] = field(default_factory=dict)
    queue_depth: Callable[[], Awaitable[int | None]]
    max_queue_depth: int | None = None


class HealthServer:
    """Serves the three paths until closed; use as an async context manager."""

    def __init__(self, source: HealthSource, host: str, port: int) -> None:
        self._source = source
        self._host = host
        self._wanted_port = port
        app = web.Application()
        app.add_routes(
            [web.get("/health", self._health), web.get("/ready", self._ready), web.get("/metrics", self._metrics)]
        )
        self._runner = web.AppRunner(app, access_log=None)

    @property
    def port(self) -> int:
        """The port it listens on, which differs from the one asked for when that was 0."""
        address = self._runner.addresses[0]
        return int(address[1])

    async def start(self) -> None:
        """Begin to listen.

        Raises:
            HealthPortError: the port is taken or forbidden.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._wanted_port).start()
        except OSError as error:
            await self._runner.cleanup()
            reason = error.strerror or str(error)
            raise HealthPortError(
                f"HEALTH_PORT {self._wanted_port} on {self._host} cannot be opened ({reason}): "
                "stop what listens there, or set HEALTH_PORT to another port"
            ) from error

    async def close(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    async def __aenter__(self) -> "HealthServer":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _health(self, _request: web.Request) -> web.Response:
        reasons = failing({**self._source.checks, **self._source.notices})
        return web.json_response(
            {
                "status": "degraded" if reasons else "healthy",
                "reasons": reasons,
                "instance_id": self._source.instance_id,
                "queue_depth": await self._depth(),
                "max_queue_depth": self._source.max_queue_depth,
                "metrics": snapshot(self._source.registry),
                "timestamp": time.time(),
            }
        )

    async def _ready(self, _request: web.Request) -> web.Response:
        wrong = failing(self._source.checks)
        reasons = {**wrong, **failing(self._source.notices)}
        return web.json_response({"ready": not wrong, "reasons": reasons}, status=503 if wrong else 200)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._source.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _depth(self) -> int | None:
        try:
            async with asyncio.timeout(DEPTH_TIMEOUT_SECONDS):
                return await self._source.queue_depth()
        except (OSError, RedisError):
            return None


def failing(checks: Mapping[str, Check]) -> dict[str, str]:
    """The checks that are not well, with their reasons."""
    found = ((name, check()) for name, check in checks.items())
    return {name: redact_url(reason) for name, reason in found if reason is not None}


def all_failing(checks: Sequence[Check]) -> Check:
    """What is wrong with the first, where something is wrong with every one: a part of the shards is work enough."""

    def check() -> str | None:
        reasons = [check() for check in checks]
        return None if None in reasons else reasons[0]

    return check
