"""A gateway of two processes: one port, one health port, and an end that nobody misses."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from prometheus_client.parser import text_string_to_metric_families
from wire_world import ANSWER, Caller, GatewayProcess, call, working

from speechpipe_common.testing import eventually
from speechpipe_gateway.app.processes import environment
from speechpipe_gateway.settings import GatewaySettings

CALLERS = 24
"""With an even spread, the chance that one of two processes gets none is one in eight million."""


@pytest.fixture
def gateway(valkey: str, tmp_path: Path) -> Iterator[GatewayProcess]:
    """Two processes."""
    with GatewayProcess(valkey, tmp_path, GATEWAY_PROCESSES="2") as process:
        yield process
        for child in children(process):
            child.kill()


def children(gateway: GatewayProcess) -> list[psutil.Process]:
    """The processes that serve."""
    try:
        return psutil.Process(gateway.process.pid).children()
    except psutil.NoSuchProcess:
        return []


def sessions(gateway: GatewayProcess) -> dict[str, float]:
    """Sessions of each process, as ``/metrics`` tells."""
    _, text = gateway.get("/metrics")
    return {
        sample.labels["process"]: sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "speechpipe_sessions"
    }


def told(gateway: GatewayProcess, path: str) -> tuple[int, Any]:
    """Status and JSON of the gateway's health."""
    status, body = gateway.get(path)
    return status, msgspec.json.decode(body)


def complete(counts: dict[str, float]) -> dict[str, float] | None:
    """What both processes had time to say; on a busy machine one may be left out."""
    return counts if len(counts) == 2 else None


def healthy(gateway: GatewayProcess) -> Any:
    """The answer of ``/health`` once nothing is wrong."""
    _, body = told(gateway, "/health")
    return body if body["status"] == "healthy" else None


async def test_two_processes_serve_one_port(gateway: GatewayProcess, clips: dict[str, NDArray[np.int16]]) -> None:
    """Both get sessions, clients get their finals, health tells of each, and SIGTERM drains both and exits 0."""
    speech = clips[min(name for name in clips if name.startswith("en/"))]

    async def talk(caller: Caller) -> None:
        await caller.start()
        await caller.send_audio(speech)
        await caller.say("flush")
        assert (await caller.hears("final"))["text"] == ANSWER

    async with working(gateway), AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(call(gateway)) for _ in range(CALLERS)]
        await asyncio.gather(*map(talk, callers))
        counts = await eventually(lambda: complete(sessions(gateway)), "metrics of both")
        assert set(counts) == {"0", "1"}
        assert all(counts.values())
        assert sum(counts.values()) == CALLERS
        health = await eventually(lambda: healthy(gateway), "a healthy gateway")
        assert health["metrics"]["sessions"] == CALLERS
        assert len({one["instance_id"] for one in health["processes"]}) == 2
        gateway.process.send_signal(signal.SIGTERM)
        assert await asyncio.gather(*(caller.closed() for caller in callers)) == [1012] * CALLERS
    await eventually(lambda: gateway.process.poll() is not None, "the exit")
    assert gateway.process.poll() == 0, gateway.log()[-3000:]


async def test_a_process_that_dies_ends_all(gateway: GatewayProcess) -> None:
    """When one process is killed, clients of the other are sent elsewhere, and the gateway ends with status 1."""
    async with AsyncExitStack() as stack:
        callers = [await stack.enter_async_context(call(gateway)) for _ in range(CALLERS)]
        await asyncio.gather(*(caller.start() for caller in callers))
        children(gateway)[0].kill()
        codes = set(await asyncio.gather(*(caller.closed() for caller in callers)))
        assert codes == {1006, 1012}
    await eventually(lambda: gateway.process.poll() is not None, "the exit")
    assert gateway.process.poll() == 1
    assert "ended with status -9" in gateway.log()


async def test_a_process_that_is_not_ready_shows(gateway: GatewayProcess) -> None:
    """A process that does not answer makes the gateway not ready, which says which one it is."""
    frozen = children(gateway)[0]
    number = frozen.environ()["INSTANCE_ID"].rsplit("-", 1)[1]
    frozen.suspend()
    status, body = told(gateway, "/ready")
    frozen.resume()
    assert status == 503
    assert body["reasons"][f"process {number}: process"] == "does not answer"
    await eventually(lambda: gateway.get("/ready")[0] == 200, "all are ready again")


async def test_nobody_outlives_the_parent(gateway: GatewayProcess) -> None:
    """When the parent is killed, its processes end as if they had been told to, and let go of the port."""
    left = children(gateway)
    gateway.process.kill()
    await eventually(lambda: not any(child.is_running() and child.status() != "zombie" for child in left), "the end")


def test_sessions_are_shared_out() -> None:
    """Each of three processes takes a third of the sessions, rounded up, and has a name of its own."""
    settings = GatewaySettings(auth="off", gateway_processes=3, max_sessions=200, max_sessions_per_key=100)
    told = environment(settings, "g-1", 5026)
    assert told["MAX_SESSIONS"] == "67"
    assert told["MAX_SESSIONS_PER_KEY"] == "34"
    assert told["INSTANCE_ID"] == "g-1"
    assert told["GATEWAY_PROCESSES"] == "1"
