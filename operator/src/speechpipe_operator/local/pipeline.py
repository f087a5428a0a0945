"""A whole pipeline on one machine, as an async context manager."""

import asyncio
import fcntl
import os
import secrets
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from speechpipe_operator.components import Plan
from speechpipe_operator.local.backoff import BackoffPolicy
from speechpipe_operator.local.errors import AlreadyRunning, LocalError, StartFailed
from speechpipe_operator.local.guard import Guard
from speechpipe_operator.local.lines import Log, PrefixLog
from speechpipe_operator.local.place import LOOPBACK, Instance, Site, place
from speechpipe_operator.local.ports import assign, instance_name
from speechpipe_operator.local.supervise import Supervisor
from speechpipe_operator.local.valkey import find_server, write_config

PROGRESS_SECONDS: Final = 5.0
SELF: Final = "up"
GATEWAY: Final = "gateway"
WEBSOCKET: Final = "ws"


@dataclass(frozen=True, slots=True)
class LocalOptions:
    """How a pipeline runs on this machine."""

    data_dir: Path | None = None
    """None: ``${XDG_STATE_HOME:-~/.local/state}/speechpipe/<name>``."""
    host: str = LOOPBACK
    """IP address on which the gateway serves clients."""
    any_port: bool = False
    """Take free ports instead of those that the plan names."""
    ready_seconds: float = 900.0
    """How long all components together may take to become ready; the first start may fetch models."""
    backoff: BackoffPolicy = field(default_factory=BackoffPolicy)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    """What the processes inherit."""


class LocalPipeline:
    """Runs a plan: ``async with LocalPipeline(plan) as pipeline`` returns when all is ready, and stops all at its end.

    Args:
        plan: what to run.
        options: where and how.
        log: gets every line of every process; standard output with a prefix by default.
    """

    def __init__(self, plan: Plan, options: LocalOptions | None = None, log: Log | None = None) -> None:
        self.plan = plan
        self.options = options or LocalOptions()
        self._assigned: dict[str, dict[str, int]] = {}
        self._supervisors: list[list[Supervisor]] = []
        self._tasks: dict[asyncio.Task[None], Supervisor] = {}
        names = [instance_name(c.name, index) for c in plan.components for index in range(c.replicas)]
        self._log = log or PrefixLog(sys.stdout, width=max(map(len, [*names, SELF])))
        self._lock: TextIOWrapper | None = None
        self._guard: Guard | None = None

    @property
    def data_dir(self) -> Path:
        """Folder that holds what must outlive a run."""
        if self.options.data_dir is not None:
            return self.options.data_dir
        state = self.options.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        return Path(state) / "speechpipe" / self.plan.name

    @property
    def gateway_urls(self) -> list[str]:
        """WebSocket addresses of the gateways, first the one on the port that the plan names."""
        host = LOOPBACK if self.options.host in ("0.0.0.0", "::") else self.options.host  # noqa: S104 - a comparison
        shown = f"[{host}]" if ":" in host else host
        return [f"ws://{shown}:{instance.ports[WEBSOCKET]}/ws" for instance in self.instances(GATEWAY)]

    @property
    def gateway_url(self) -> str:
        """WebSocket address of the first gateway."""
        return self.gateway_urls[0]

    @property
    def redis_url(self) -> str:
        """Address of the Redis that the components use, password included; those of shards have commas between them."""
        return self.instances(GATEWAY)[0].env["REDIS_URL"]

    def instances(self, component: str) -> list[Instance]:
        """The processes of a component, as they were planned."""
        return [supervisor.instance for supervisor in self._all() if supervisor.instance.component.name == component]

    def pids(self, component: str) -> list[int]:
        """Process ids of the present runs of a component."""
        found = [s.pid for s in self._all() if s.instance.component.name == component]
        return [pid for pid in found if pid is not None]

    async def __aenter__(self) -> Self:
        """Start everything, and wait until all is ready.

        Raises:
            PortsInUse: before anything is started.
            AlreadyRunning: another run uses the data directory.
            StartFailed: a component did not become ready; all are stopped.
            LocalError: a program or a secret is missing.
        """
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop everything."""
        await self.stop()

    async def wait(self) -> None:
        """Run for as long as everything can be kept running.

        Raises:
            StartFailed: a process can't be started any more.
        """
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    async def _start(self) -> None:
        self._lock_data_dir()
        self._assigned = assign(self.plan, self.options.host, any_port=self.options.any_port)
        site = Site(
            directory=self.data_dir,
            host=self.options.host,
            redis_password=secrets.token_urlsafe(24),
            environ=self.options.environ,
            find_program=find_program,
        )
        levels = place(self.plan, self._assigned, site)
        self._guard = guard = Guard()
        self._supervisors = [[Supervisor(i, guard, self._log, self.options.backoff) for i in level] for level in levels]
        try:
            async with asyncio.timeout(self.options.ready_seconds):
                for level in self._supervisors:
                    await self._start_level(level)
        except TimeoutError as error:
            raise StartFailed(f"not ready after {self.options.ready_seconds:g} s: {self._missing()}") from error

    async def _start_level(self, level: list[Supervisor]) -> None:
        for supervisor in level:
            instance = supervisor.instance
            if instance.config_path is not None:
                (self.data_dir / instance.name).mkdir(exist_ok=True)
                write_config(instance.config_path, instance.config)
            self._tasks[asyncio.create_task(supervisor.run(), name=instance.name)] = supervisor
        waiting = asyncio.create_task(_all_ready(level))
        try:
            while not waiting.done():
                watched: set[asyncio.Task[None]] = {waiting, *self._tasks}
                await asyncio.wait(watched, timeout=PROGRESS_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                self._raise_failures()
                if not waiting.done():
                    self._log.line(SELF, f"waiting for {self._missing()}")
        finally:
            waiting.cancel()

    def _raise_failures(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    def _missing(self) -> str:
        return ", ".join(f"{s.instance.name} ({s.waiting_for})" for s in self._all() if not s.ready.is_set())

    async def stop(self) -> None:
        """Stop all processes, those that depend on others first; what outlives its grace is killed."""
        for level in reversed(self._supervisors):
            await self._stop_level(level)
        self._tasks.clear()
        self._supervisors.clear()
        if self._guard is not None:
            await asyncio.to_thread(self._guard.close)
            self._guard = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """Kill all processes at once; ``stop`` then has nothing to wait for."""
        for supervisor in self._all():
            supervisor.kill()

    async def _stop_level(self, level: list[Supervisor]) -> None:
        for supervisor in level:
            supervisor.stop()
        tasks = [task for task, supervisor in self._tasks.items() if supervisor in level]
        if not tasks:
            return
        grace = max(supervisor.instance.component.grace_seconds for supervisor in level)
        _, late = await asyncio.wait(tasks, timeout=grace)
        for task in late:
            self._log.line(self._tasks[task].instance.name, f"[did not end in {grace:g} s, killed]")
            self._tasks[task].kill()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _all(self) -> list[Supervisor]:
        return [supervisor for level in self._supervisors for supervisor in level]

    def _lock_data_dir(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (self.data_dir / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise AlreadyRunning(
                f"{self.plan.name} runs already on {self.data_dir} (pid {holder}): stop it, or give another --data-dir."
            ) from error
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock


async def _all_ready(level: list[Supervisor]) -> None:
    for supervisor in level:
        await supervisor.ready.wait()


def find_program(name: str) -> str:
    """Path of the program that a command's first word names.

    Raises:
        LocalError: it is not on this machine.
    """
    if name == "python":
        return sys.executable
    if name == "valkey-server":
        return str(find_server())
    found = shutil.which(name)
    if found is None:
        raise LocalError(f"there is no program {name!r} on the PATH")
    return found
