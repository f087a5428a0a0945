"""Real processes of the pipeline: started, asked whether they are ready, and ended in every way that a process can."""

import asyncio
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

EXIT_SECONDS = 40.0

_PORTS = range(20_000, 32_000)
"""Below the ports that Linux gives to outgoing connections: one of those would take the place of a dead server."""


_given: set[int] = set()


def lasting_port() -> int:
    """A port on loopback that nobody listens on, given once, and that stays free while its server is dead."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)):
                _given.add(port)
                return port


class Service:
    """One process of a service, on a health port that stays the same over restarts.

    Args:
        name: for logs.
        command: arguments of the interpreter, as in ``("-m", "speechpipe_stt")``.
        env: its settings; of this process's own environment it gets only what finds programs and the model cache.
        log: file that its output is added to.
    """

    def __init__(self, name: str, command: tuple[str, ...], env: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.wanted = False
        """Somebody who supervises should start it again when it dies."""
        self._command = [sys.executable, *command]
        self._health = lasting_port()
        self._env = _inherited() | {
            "HEALTH_HOST": "127.0.0.1",
            "HEALTH_PORT": str(self._health),
            "LOG_FORMAT": "human",
            **env,
        }
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id.

        Raises:
            RuntimeError: it was never started.
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._process.pid

    @property
    def address(self) -> str:
        """``host:port`` of its health and metrics."""
        return f"127.0.0.1:{self._health}"

    @property
    def alive(self) -> bool:
        """Whether it runs; a stopped one does."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; it is not ready yet."""
        self.wanted = True
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """SIGKILL, and wait for its end; nothing happens when it does not run."""
        self.wanted = False
        if self._process is not None:
            self._process.kill()
            self._process.wait(EXIT_SECONDS)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    async def terminate(self) -> int:
        """SIGTERM; returns the exit status."""
        self.wanted = False
        self.signal(signal.SIGTERM)
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, EXIT_SECONDS)

    async def ready(self) -> bool:
        """Whether it runs and says that it is ready."""
        if not self.alive:
            return False
        try:
            async with self._get("/ready") as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def metric(self, name: str, **labels: str) -> float:
        """A metric summed over the label values that are not asked for; ``name`` without prefix and ``_total``.

        Raises:
            aiohttp.ClientError: it does not answer.
        """
        async with self._get("/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        wanted = (f"speechpipe_{name}", f"speechpipe_{name}_total")
        return sum(
            sample.value
            for family in families
            for sample in family.samples
            if sample.name in wanted and labels.items() <= sample.labels.items()
        )

    def _get(self, path: str) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return aiohttp.request("GET", f"http://{self.address}{path}", timeout=aiohttp.ClientTimeout(total=3))


def _inherited() -> dict[str, str]:
    kept = ("PATH", "PYTHONPATH", "HOME", "LANG", "TMPDIR", "XDG_CACHE_HOME")
    # Coverage follows into child processes through these.
    return {k: v for k, v in os.environ.items() if k in kept or k.startswith(("COVERAGE", "SPEECHPIPE_CACHE"))}
