"""The runner as a process of its own, ended in every way."""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from local_support import alive, descendants, eventually, is_free

DRIVER = str(Path(__file__).with_name("run_up.py"))

Signaller = Callable[[Process], None]


@asynccontextmanager
async def running(directory: Path, *words: str) -> AsyncIterator[Process]:
    """The driver, when everything is ready; killed at the end if the test has not ended it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, DRIVER, str(directory), *words, stdout=PIPE, start_new_session=True
    )
    try:
        await eventually((directory / "ready").exists)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def ports_of(processes: list[psutil.Process]) -> list[int]:
    """Every port on which one of the processes listens."""
    return [c.laddr.port for p in processes for c in p.net_connections("tcp") if c.status == psutil.CONN_LISTEN]


def terminal_interrupt(process: Process) -> None:
    """What a terminal does at Ctrl-C: SIGINT to the whole foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


def terminate(process: Process) -> None:
    """What service managers do."""
    process.terminate()


def hang_up(process: Process) -> None:
    """What a closed terminal does."""
    process.send_signal(signal.SIGHUP)


@pytest.mark.parametrize("end", [terminal_interrupt, terminate, hang_up])
async def test_a_signal_ends_everything(tmp_path: Path, end: Signaller) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end the run with status 0, and leave no process, no port and no ready file."""
    async with running(tmp_path) as process:
        children = descendants(process.pid)
        ports = ports_of(children)
        assert len(children) == 8  # Valkey, three services with a child each, the guard
        assert len(ports) == 4
        end(process)
        out, _ = await process.communicate()
    assert process.returncode == 0
    assert alive(children) == []
    assert all(is_free(port) for port in ports)
    assert not (tmp_path / "ready").exists()
    assert b"Traceback" not in out
    assert b"\x1b[" not in out


async def test_a_second_signal_kills(tmp_path: Path) -> None:
    """While a service that ignores SIGTERM is waited for, a second Ctrl-C ends it at once."""
    async with running(tmp_path, "DEAF") as process:
        children = descendants(process.pid)
        assert process.stdout is not None
        terminal_interrupt(process)
        while b"once more to kill" not in await process.stdout.readline():
            pass
        terminal_interrupt(process)
        rest = await process.stdout.read()
        await process.wait()
    assert b"killing what is left" in rest
    assert b"did not end in" not in rest
    assert alive(children) == []


async def test_kill_9_of_the_runner_leaves_nothing(tmp_path: Path) -> None:
    """When the runner itself is killed, its children, their children and the guard end, ignoring SIGTERM or not."""
    async with running(tmp_path, "DEAF") as process:
        children = descendants(process.pid)
        ports = ports_of(children)
        process.kill()
        await process.wait()
        await eventually(lambda: alive(children) == [])
    assert all(is_free(port) for port in ports)


async def test_kill_9_while_starting_leaves_nothing(tmp_path: Path) -> None:
    """Killed at the moment its first children appear, the runner leaves nothing either."""
    process = await asyncio.create_subprocess_exec(sys.executable, DRIVER, str(tmp_path), stdout=PIPE)
    children: list[psutil.Process] = []

    def some_children() -> bool:
        children[:] = descendants(process.pid)
        return len(children) > 1

    await eventually(some_children)
    process.kill()
    await process.wait()
    await eventually(lambda: alive(children) == [])


async def test_the_ready_file_says_where(tmp_path: Path) -> None:
    """The ready file names the runner and the addresses for its owner alone; the page's address is said to people."""
    async with running(tmp_path) as process:
        facts = json.loads((tmp_path / "ready").read_text())
        assert facts["pid"] == process.pid
        assert facts["gateway"] == facts["gateways"][0]
        assert facts["gateway"].startswith("ws://127.0.0.1:")
        assert facts["redis"].startswith("redis://:")
        assert (tmp_path / "ready").stat().st_mode & 0o077 == 0
        terminate(process)
        out, _ = await process.communicate()
    page = facts["gateway"].replace("ws://", "http://").removesuffix("ws")
    assert f"captions in a browser: {page}\n".encode() in out
