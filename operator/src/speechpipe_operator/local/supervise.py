"""Keeps one process running until told to stop."""

import asyncio
from collections import deque
from typing import Final

from speechpipe_operator.local.backoff import Backoff, BackoffPolicy
from speechpipe_operator.local.child import Child
from speechpipe_operator.local.errors import StartFailed
from speechpipe_operator.local.guard import Guard
from speechpipe_operator.local.lines import Log
from speechpipe_operator.local.place import Instance
from speechpipe_operator.local.probe import why_not_ready

START_ATTEMPTS: Final = 3
"""Ends before it was ever ready after which starting is given up: what never ran will not run by being tried again."""

BAD_SETTINGS: Final = 2
"""Exit status of a service that refuses its settings."""

PROBE_SECONDS: Final = 0.2
LAST_LINES: Final = 5


class Supervisor:
    """Starts an instance, watches for readiness, and starts it again with backoff when it ends."""

    def __init__(self, instance: Instance, guard: Guard, log: Log, policy: BackoffPolicy) -> None:
        self.instance = instance
        self.ready = asyncio.Event()
        """Set while a run has answered its readiness probe and has not ended."""
        self.waiting_for = "not started"
        """Why it is not ready, in a few words."""
        self.restarts = 0
        self._guard = guard
        self._log = log
        self._backoff = Backoff(policy)
        self._stopping = asyncio.Event()
        self._child: Child | None = None
        self._was_ready = False
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)

    @property
    def pid(self) -> int | None:
        """Process id of the present run; None between runs."""
        return self._child.pid if self._child else None

    async def run(self) -> None:
        """Keep it running; returns after ``stop``.

        Raises:
            StartFailed: it can't be started, refuses its settings, or ended several times without ever being ready.
        """
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            status = await self._run_once()
            if self._stopping.is_set():
                return
            wait = self._backoff.next(loop.time() - began)
            self._refuse_hopeless(status)
            self.waiting_for = f"{_ended(status)}, starts again"
            self._log.line(self.instance.name, f"[{_ended(status)}; starts again in {wait:.1f} s]")
            self.restarts += 1
            await self._pause(wait)

    def stop(self) -> None:
        """Ask the process to end, and do not start it again."""
        self._stopping.set()
        if self._child:
            self._child.terminate()

    def kill(self) -> None:
        """End the process and its children at once, and do not start it again."""
        self._stopping.set()
        if self._child:
            self._child.kill()

    async def _run_once(self) -> int:
        name = self.instance.name
        self.waiting_for = "starting"
        try:
            child = await Child.spawn(self.instance.argv, self.instance.env, self._guard, self._line)
        except OSError as error:
            raise StartFailed(f"{name}: {self.instance.argv[0]} can't be started: {error.strerror}") from error
        self._child = child
        if self._stopping.is_set():
            child.terminate()
        watching = asyncio.create_task(self._watch())
        try:
            return await child.wait()
        except asyncio.CancelledError:
            child.kill()
            raise
        finally:
            self._child = None
            self.ready.clear()
            watching.cancel()
            await asyncio.wait([watching])

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while reason := await why_not_ready(self.instance.ready):
            self.waiting_for = reason
            await asyncio.sleep(PROBE_SECONDS)
        self.ready.set()
        self._was_ready = True
        self._log.line(self.instance.name, f"[ready after {loop.time() - began:.1f} s]")

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _line(self, text: str) -> None:
        self._last_lines.append(text)
        self._log.line(self.instance.name, text)

    def _refuse_hopeless(self, status: int) -> None:
        if self._was_ready or (status != BAD_SETTINGS and self._backoff.failures < START_ATTEMPTS):
            return
        said = "\n".join(f"  {line}" for line in self._last_lines) or "  (nothing)"
        raise StartFailed(f"{self.instance.name} {_ended(status)} before it was ready; its last words:\n{said}")


def _ended(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
