"""A gateway of several processes behind one port, each with sessions of its own."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from typing import Final

from speechpipe_common.logs import get_logger
from speechpipe_common.metrics import process_registry
from speechpipe_gateway.app.listening import bind
from speechpipe_gateway.app.overview import Overview
from speechpipe_gateway.settings import GatewaySettings

CHILD: Final = "speechpipe_gateway.app.child"
GRACE_SECONDS: Final = 30.0
"""Beyond the drain, before a process that does not end is killed."""

log = get_logger(__name__)


class Child:
    """One process. It is told to end by SIGTERM, and ends by itself when its standard input does: with its parent."""

    def __init__(self, number: int, process: asyncio.subprocess.Process, ports: list[int | None]) -> None:
        self._number = number
        self._process = process
        self._ports = ports

    @classmethod
    async def start(
        cls, number: int, settings: GatewaySettings, instance: str, port: int, ports: list[int | None]
    ) -> "Child":
        """Start process ``number``, whose health port will stand in ``ports``. Ctrl-C is its parent's to pass on."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            CHILD,
            env={**os.environ, **environment(settings, f"{instance}-{number}", port)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        return cls(number, process, ports)

    async def run(self) -> None:
        """Hear its health port, and wait for its end.

        Raises:
            RuntimeError: it has ended, and nobody had told it to.
        """
        if self._process.stdout is None:
            raise AssertionError("a child without a pipe")
        line = await self._process.stdout.readline()
        self._ports[self._number] = int(line) if line.strip() else None
        status = await self._process.wait()
        raise RuntimeError(f"process {self._number} of the gateway ended with status {status}; see its log above")

    def terminate(self) -> None:
        """Tell it to end."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)

    async def ended(self, seconds: float) -> bool:
        """Wait for its end, kill it after so long; whether it ended well."""
        try:
            async with asyncio.timeout(seconds):
                return await self._process.wait() == 0
        except TimeoutError:
            log.error("process_killed", process=self._number, seconds=seconds)
            self._process.kill()
            await self._process.wait()
            return False


def environment(settings: GatewaySettings, instance: str, port: int) -> dict[str, str]:
    """What is different for one process: its name, its health port, and its share of the sessions."""
    count = settings.gateway_processes
    return {
        "GATEWAY_PROCESSES": "1",
        "GATEWAY_PORT": str(port),
        "HEALTH_HOST": "127.0.0.1",
        "HEALTH_PORT": "0",
        "INSTANCE_ID": instance,
        "MAX_FILES": str(-(-settings.max_files // count)),
        "MAX_RECORDINGS": str(-(-settings.max_recordings // count)),
        "MAX_SESSIONS": str(-(-settings.max_sessions // count)),
        "MAX_SESSIONS_PER_KEY": str(-(-settings.max_sessions_per_key // count)),
    }


async def serve_many(settings: GatewaySettings, instance: str, stop: asyncio.Event) -> None:
    """Serve with several processes until ``stop`` is set or one of them ends, then drain all.

    Where one has crashed nothing is started again here: whoever runs the gateway sees it end, and restarts it, and
    its clients resume elsewhere meanwhile.

    Raises:
        RuntimeError: the port cannot be had, or a process has ended by itself.
    """
    # Held, so that the port stays ours; it does not listen, so that no connection comes to it.
    with bind(settings.gateway_host, settings.gateway_port, shared=True) as held:
        async with AsyncExitStack() as stack:
            port = _port(held)
            ports: list[int | None] = [None] * settings.gateway_processes
            overview = Overview(instance, ports, process_registry(), settings.health_host, settings.health_port)
            await stack.enter_async_context(overview)
            children: list[Child] = []
            stack.push_async_callback(_end, children, settings.drain_seconds + GRACE_SECONDS)
            for number in range(settings.gateway_processes):
                children.append(await Child.start(number, settings, instance, port, ports))
            log.info("processes_started", count=len(children), port=port)
            await _until(stop, children)


async def _until(stop: asyncio.Event, children: list[Child]) -> None:
    """Wait for the signal, or raise what ended a child."""
    asked = asyncio.create_task(stop.wait())
    lives = [asyncio.create_task(child.run()) for child in children]
    try:
        done, _ = await asyncio.wait([asked, *lives], return_when=asyncio.FIRST_COMPLETED)
        for task in done - {asked}:
            if not stop.is_set():
                task.result()
    finally:
        for task in (asked, *lives):
            task.cancel()
        await asyncio.gather(asked, *lives, return_exceptions=True)


async def _end(children: list[Child], seconds: float) -> None:
    for child in children:
        child.terminate()
    if not all(await asyncio.gather(*(child.ended(seconds) for child in children))):
        log.warning("processes_ended_badly")


def _port(bound: socket.socket) -> int:
    port: int = bound.getsockname()[1]
    return port
