"""The runner with real processes: order, restarts, stopping, refusals."""

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
from local_support import MemoryLog, alive, descendants, eventually, is_free, options, ours, plan, redis, stub
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ConstantBackoff

from speechpipe_common.shards import addresses
from speechpipe_operator.components import Component, FromSecret, Port, Probe, RedisUrl
from speechpipe_operator.local import AlreadyRunning, LocalError, LocalOptions, LocalPipeline, PortsInUse, StartFailed


def restarted(pipeline: LocalPipeline, component: str, before: int) -> Callable[[], bool]:
    """Whether the component runs under another process id than ``before``."""
    return lambda: pipeline.pids(component) not in ([], [before])


async def test_starts_in_order_and_stops_in_reverse(tmp_path: Path) -> None:
    """A component starts when what it needs is ready, and ends before it."""
    trace = tmp_path / "trace"
    pair = plan(
        stub("gateway", depends_on=["base"], TRACE=str(trace)), stub("base", TRACE=str(trace), SLOW_SECONDS="0.5")
    )
    log = MemoryLog()
    async with LocalPipeline(pair, options(tmp_path), log):
        assert trace.read_text().split("\n")[:2] == ["base starts", "gateway starts"]
    assert trace.read_text().split("\n")[2:4] == ["gateway stops", "base stops"]
    assert ("base", "base says hello") in log.lines


async def test_replicas_get_ports_of_their_own(tmp_path: Path) -> None:
    """Three replicas run at once, each on its own port, and a Redis with a password that they are told."""
    three = plan(redis(), stub("gateway", replicas=3, depends_on=["redis"]))
    async with LocalPipeline(three, options(tmp_path), MemoryLog()) as pipeline:
        ports = [instance.ports["ws"] for instance in pipeline.instances("gateway")]
        assert [i.name for i in pipeline.instances("gateway")] == ["gateway", "gateway-2", "gateway-3"]
        assert len(set(ports)) == 3
        assert pipeline.gateway_urls[2] == f"ws://127.0.0.1:{ports[2]}/ws"
        assert len(pipeline.pids("gateway")) == 3
        assert pipeline.redis_url.startswith("redis://:")
        config = tmp_path / "data" / "redis.conf"
        assert config.stat().st_mode & 0o077 == 0


async def test_shards_are_valkeys_of_their_own(tmp_path: Path) -> None:
    """Each runs on a port and data of its own, and the others are told of all, in order, with one password."""
    names = ("redis", "redis-1", "redis-2")
    gateway = replace(stub("gateway", depends_on=names), env={**stub("gateway").env, "REDIS_URL": RedisUrl(names)})
    wide = plan(*map(redis, names), gateway)
    async with LocalPipeline(wide, options(tmp_path), MemoryLog()) as pipeline:
        urls = addresses(pipeline.redis_url)
        assert [urlsplit(url).port for url in urls] == [pipeline.instances(name)[0].ports["redis"] for name in names]
        for number, url in enumerate(urls):
            async with Redis.from_url(url) as client:
                await client.set("number", number)
        for number, url in enumerate(urls):
            async with Redis.from_url(url) as client:
                assert int(await client.get("number")) == number
        assert all((tmp_path / "data" / name).is_dir() for name in names)


async def test_what_dies_is_started_again(tmp_path: Path) -> None:
    """Killed with SIGKILL three times, a component comes back each time, on the same port, under a new process id."""
    log = MemoryLog()
    async with LocalPipeline(plan(stub("gateway")), options(tmp_path), log) as pipeline:
        url = pipeline.gateway_url
        for _ in range(3):
            (before,) = pipeline.pids("gateway")
            os.kill(before, signal.SIGKILL)
            await eventually(restarted(pipeline, "gateway", before))
        assert pipeline.gateway_url == url
    assert sum("was ended by signal 9; starts again" in text for _, text in log.lines) == 3


async def test_redis_keeps_its_data_over_a_restart(tmp_path: Path) -> None:
    """A killed Valkey comes back at the same address with what had been written."""
    only = plan(redis(), stub("gateway", depends_on=["redis"]))
    async with LocalPipeline(only, options(tmp_path), MemoryLog()) as pipeline:
        client = Redis.from_url(pipeline.redis_url, retry=Retry(ConstantBackoff(0.05), 400))
        await client.set("word", "kept")
        (pid,) = pipeline.pids("redis")
        os.kill(pid, signal.SIGKILL)
        await eventually(restarted(pipeline, "redis", pid))
        assert await client.get("word") == b"kept"
        await client.aclose()


async def test_no_process_and_no_port_is_left(tmp_path: Path) -> None:
    """After the end no child, grandchild or guard runs, and every port is free, though some ignore SIGTERM."""
    several = plan(redis(), stub("stt", replicas=2, depends_on=["redis"], GRANDCHILD="1"), stub("gateway"))
    others = descendants(os.getpid())
    async with LocalPipeline(several, options(tmp_path), MemoryLog()) as pipeline:
        running = ours(others)
        assert len(running) == 1 + 1 + 2 * 2 + 1
        ports = [p for name in ("redis", "stt", "gateway") for i in pipeline.instances(name) for p in i.ports.values()]
        assert not any(is_free(port) for port in ports)
    assert alive(running) == []
    assert all(is_free(port) for port in ports)


async def test_a_component_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    """What outlives its grace is killed, and the log says so."""
    deaf = stub("gateway", DEAF="1")
    log = MemoryLog()
    others = descendants(os.getpid())
    async with LocalPipeline(plan(Component(**{**_fields(deaf), "grace_seconds": 0.2})), options(tmp_path), log):
        running = ours(others)
    assert alive(running) == []
    assert "did not end in 0.2 s, killed" in log.text()


async def test_a_grandchild_does_not_outlive_a_crashed_child(tmp_path: Path) -> None:
    """When a child crashes, what it had started is ended before it is started again."""
    async with LocalPipeline(plan(stub("gateway", GRANDCHILD="1")), options(tmp_path), MemoryLog()) as pipeline:
        (pid,) = pipeline.pids("gateway")
        (grandchild,) = descendants(pid)
        os.kill(pid, signal.SIGKILL)
        await eventually(restarted(pipeline, "gateway", pid))
        assert alive([grandchild]) == []


async def test_a_component_that_never_runs_fails_the_start(tmp_path: Path) -> None:
    """Three ends before readiness fail the start with the component's last words, and leave nothing running."""
    failing = plan(stub("base"), stub("gateway", depends_on=["base"], FAIL_STATUS="3"))
    log = MemoryLog()
    before = psutil.Process().children(recursive=True)
    with pytest.raises(StartFailed, match=r"(?s)gateway ended with status 3.*gateway can't go on"):
        async with LocalPipeline(failing, options(tmp_path), log):
            pytest.fail("it can't have become ready")
    assert sum(text.startswith("gateway can't go on") for _, text in log.lines) == 3
    assert psutil.Process().children(recursive=True) == before


async def test_refused_settings_are_not_tried_again(tmp_path: Path) -> None:
    """Status 2, with which services refuse their settings, fails the start at the first time."""
    log = MemoryLog()
    with pytest.raises(StartFailed, match="status 2"):
        async with LocalPipeline(plan(stub("gateway", FAIL_STATUS="2")), options(tmp_path), log):
            pytest.fail("it can't have become ready")
    assert sum("can't go on" in text for _, text in log.lines) == 1


async def test_too_slow_a_start_says_what_it_waits_for(tmp_path: Path) -> None:
    """When the time for readiness is over, the error names the component and what its probe says."""
    limit = LocalOptions(data_dir=tmp_path, ready_seconds=1.5)
    with pytest.raises(StartFailed, match=r"not ready after 1.5 s: gateway \(loading the model\)"):
        async with LocalPipeline(plan(stub("gateway", SLOW_SECONDS="600")), limit, MemoryLog()):
            pytest.fail("it can't have become ready")


async def test_taken_ports_are_refused_before_anything_starts(tmp_path: Path) -> None:
    """Each taken port is named with its use and its holder, and no process has been started."""
    before = psutil.Process().children(recursive=True)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        taken = [one.getsockname()[1], two.getsockname()[1]]
        both = plan(stub("gateway", number=taken[0]), stub("stt", number=taken[1]))
        with pytest.raises(PortsInUse) as refused:
            async with LocalPipeline(both, options(tmp_path), MemoryLog()):
                pytest.fail("its ports are taken")
        for port, use in zip(taken, ("gateway ws", "stt ws"), strict=True):
            assert f"port {port} ({use})" in str(refused.value)
        assert f"pid {os.getpid()}" in str(refused.value)
        assert psutil.Process().children(recursive=True) == before
        async with LocalPipeline(both, options(tmp_path, any_port=True), MemoryLog()) as pipeline:
            assert pipeline.instances("gateway")[0].ports["ws"] not in taken


async def test_one_port_for_two_components_is_refused(tmp_path: Path) -> None:
    """A port that the plan itself gives twice is named with both uses."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        number = probe.getsockname()[1]
    with pytest.raises(PortsInUse, match=f"port {number} is asked for twice: gateway ws and stt ws"):
        async with LocalPipeline(
            plan(stub("gateway", number=number), stub("stt", number=number)), options(tmp_path), MemoryLog()
        ):
            pytest.fail("it can't have started")


async def test_a_second_run_on_the_same_data_is_refused(tmp_path: Path) -> None:
    """Two runs never share a data directory; the error names the one that has it, and afterwards it is free."""
    one = plan(stub("gateway"))
    async with LocalPipeline(one, options(tmp_path), MemoryLog()):
        with pytest.raises(AlreadyRunning, match=f"pid {os.getpid()}"):
            async with LocalPipeline(one, options(tmp_path), MemoryLog()):
                pytest.fail("the first one runs")
    async with LocalPipeline(one, options(tmp_path), MemoryLog()):
        pass


async def test_secrets_come_from_the_environment(tmp_path: Path) -> None:
    """A value that a cluster takes from a Secret comes from the environment here, and is asked for when missing."""
    component = stub("gateway")
    component.env["API_TOKEN"] = FromSecret("tokens", "main")
    with pytest.raises(LocalError, match=r"API_TOKEN \(key main of the Secret tokens, for gateway\)"):
        async with LocalPipeline(plan(component), options(tmp_path, environ={}), MemoryLog()):
            pytest.fail("the secret is missing")
    given = options(tmp_path, environ={"API_TOKEN": "abc"})
    async with LocalPipeline(plan(component), given, MemoryLog()) as pipeline:
        assert pipeline.instances("gateway")[0].env["API_TOKEN"] == "abc"


async def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """A command that is not on this machine fails the start by its name."""
    missing = Component("gateway", ("no-such-program",), (Port("ws", 0, internal=True),), Probe("http", "ws"))
    with pytest.raises(LocalError, match="no-such-program"):
        async with LocalPipeline(plan(missing), options(tmp_path), MemoryLog()):
            pytest.fail("it can't have started")


async def test_a_killed_guard_is_replaced(tmp_path: Path) -> None:
    """When the guard itself is killed, the next start of a child brings another one that knows all children."""
    others = descendants(os.getpid())
    async with LocalPipeline(plan(stub("gateway")), options(tmp_path), MemoryLog()) as pipeline:
        (pid,) = pipeline.pids("gateway")
        (guard,) = [child for child in ours(others) if child.pid != pid]
        guard.kill()
        os.kill(pid, signal.SIGKILL)
        await eventually(restarted(pipeline, "gateway", pid))
        assert len(alive(ours(others))) == 2


def _fields(component: Component) -> dict[str, object]:
    return {name: getattr(component, name) for name in component.__slots__}
