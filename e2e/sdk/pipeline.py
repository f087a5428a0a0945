"""One real pipeline for SDKs to be pointed at: a Valkey, a gateway with API keys, a worker of each kind."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from processes import Service, lasting_port

from speechpipe_common.testing import ValkeyServer, eventually
from speechpipe_gateway.auth import new_key

START_SECONDS = 300.0
PATIENCE = 120.0
"""Seconds for one answer; passes only when something is broken."""

WORKER = {"DRAIN_SECONDS": "5"}
STT = WORKER | {"MODEL_SIZE": "base", "DEVICE": "cpu", "COMPUTE_TYPE": "int8", "CPU_THREADS": "1", "BEAM_SIZE": "1"}
TRANSLATE = WORKER | {"TRANSLATION_ENGINE": "apertium"}
GATEWAY = {"GATEWAY_HOST": "127.0.0.1", "DRAIN_SECONDS": "5", "MAX_FILE_SECONDS": "300"}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Where it is, and what lets somebody in."""

    port: int
    key: str
    """Of a client with room for a hundred sessions."""
    narrow_key: str
    """Of a client with room for one."""
    gateway: Service
    stt: Service
    translate: Service
    folder: Path
    """Holds the log of each process."""

    @property
    def http(self) -> str:
        """Address for HTTP, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Address for WebSockets, without a path."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def openai_url(self) -> str:
        """What an OpenAI SDK is given as its base URL."""
        return f"{self.http}/v1"


@contextmanager
def running(folder: Path, **gateway: str) -> Iterator[Pipeline]:
    """A pipeline whose processes are all ready; ``gateway``: settings of the gateway on top.

    Raises:
        AssertionError: a process did not become ready in five minutes; its log lies in ``folder``.
    """
    valkey = ValkeyServer(folder / "valkey")
    valkey.start()
    made = _services(folder, valkey.url, gateway)
    services = (made.gateway, made.stt, made.translate)
    try:
        for service in services:
            service.start()
        asyncio.run(_until_ready(services))
        yield made
    finally:
        for service in services:
            service.kill()
        valkey.kill()


def _services(folder: Path, redis_url: str, settings: dict[str, str]) -> Pipeline:
    port = lasting_port()
    key, line = new_key("roomy")
    narrow_key, narrow_line = new_key("narrow", 1)
    keys = folder / "keys"
    keys.write_text(f"{line}\n{narrow_line}\n")

    def service(name: str, env: dict[str, str]) -> Service:
        return Service(name, ("-m", f"speechpipe_{name}"), {"REDIS_URL": redis_url, **env}, folder / f"{name}.log")

    gateway = GATEWAY | {"GATEWAY_PORT": str(port), "API_KEYS_FILE": str(keys)} | settings
    return Pipeline(
        port,
        key,
        narrow_key,
        service("gateway", gateway),
        service("stt", STT),
        service("translate", TRANSLATE),
        folder,
    )


async def _until_ready(services: tuple[Service, ...]) -> None:
    for service in services:
        await eventually(service.ready, f"{service.name} to be ready", START_SECONDS)
