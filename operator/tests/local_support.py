"""What the tests of the local runner share: plans of stub services, a log that remembers, counting processes."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from speechpipe_operator.components import Component, EnvValue, Plan, Port, PortNumber, Probe, RedisUrl
from speechpipe_operator.local.backoff import BackoffPolicy
from speechpipe_operator.local.pipeline import LocalOptions
from speechpipe_operator.local.ports import _bound

STUB = str(Path(__file__).with_name("stub_service.py"))
QUICK = BackoffPolicy(first=0.05, longest=0.2, well=60.0)


class MemoryLog:
    """Keeps every line."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def line(self, source: str, text: str) -> None:
        """Remember it."""
        self.lines.append((source, text))

    def text(self) -> str:
        """All of it."""
        return "\n".join(f"{source} | {text}" for source, text in self.lines)


def stub(name: str, *, replicas: int = 1, depends_on: Iterable[str] = (), number: int = 0, **env: str) -> Component:
    """A component that runs the stub service on its port ``ws``."""
    values: dict[str, EnvValue] = {"NAME": name, "PORT": PortNumber("ws"), "REDIS_URL": RedisUrl(), **env}
    return Component(
        name=name,
        command=("python", STUB),
        ports=(Port("ws", number, internal=number == 0),),
        ready=Probe("http", "ws"),
        env=values,
        replicas=replicas,
        depends_on=tuple(depends_on),
        grace_seconds=10.0,
    )


def redis() -> Component:
    """A real Valkey that persists."""
    return Component(
        name="redis",
        command=("valkey-server",),
        ports=(Port("redis", 6379, internal=True),),
        ready=Probe("redis", "redis"),
        config=(("appendonly", "yes"), ("save", "")),
    )


def plan(*components: Component) -> Plan:
    """A plan called test."""
    return Plan("test", components)


def options(directory: Path, **changes: object) -> LocalOptions:
    """Data under ``directory``, restarts quickly, everything ready within a minute."""
    return LocalOptions(data_dir=directory / "data", backoff=QUICK, ready_seconds=60.0, **changes)  # type: ignore[arg-type]


async def eventually(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until the condition is truthy.

    Raises:
        AssertionError: it was not, in all that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.02)


def descendants(pid: int) -> list[psutil.Process]:
    """Every process below ``pid``."""
    return psutil.Process(pid).children(recursive=True)


def ours(others: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Every process below this one that is not among ``others``, which were there before (a test cluster, say)."""
    known = set(others)
    return [process for process in descendants(os.getpid()) if process not in known]


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a zombie does not."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def is_free(port: int) -> bool:
    """Whether nobody listens on the loopback port."""
    try:
        _bound("127.0.0.1", port).close()
    except OSError:
        return False
    return True
