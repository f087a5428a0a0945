"""The thread in which kopf runs."""

import asyncio
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import kopf

from speechpipe_common.logs import get_logger
from speechpipe_operator.handlers.configure import Login, Sink, make_registry, make_settings
from speechpipe_operator.kube import KINDS, Kind

_LOGGERS: Final = ("kopf._cogs.clients.watching", "kopf._core.reactor.observation")
"""Where kopf logs each attempt of a list, watch or scan that failed."""

_FRAME: Final = ("kopf._core.reactor.running", "kopf._core.reactor.orchestration", "kopf._cogs.aiokits.aiotasks")
"""Where kopf logs its own beginning and end, and that it misses signals; we say why it ended."""

END_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Watched:
    """What is to be watched: child kinds, and namespaces (none: all)."""

    children: tuple[Kind, ...]
    namespaces: tuple[str, ...]


class WatchThread:
    """Runs kopf until it is stopped or fails.

    Args:
        watched: what to watch; SpeechPipelines always.
        sink: called in kopf's thread, so it must be quick and safe to call from there.
        login: opens a session, in kopf's loop.
        on_retry: called for each attempt that failed; see ``Patience``.
        beat: called in kopf's thread every second, to show that its loop moves.
    """

    def __init__(
        self,
        watched: Watched,
        sink: Sink,
        login: Login,
        on_retry: Callable[[], None],
        beat: Callable[[], None],
    ) -> None:
        self.watched = watched
        self._sink, self._login, self._beat = sink, login, beat
        self._filter = _Retries(on_retry)
        self._sessions: list[kopf.AiohttpSession] = []
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.failure: BaseException | None = None
        """What kopf failed of."""
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        logging.getLogger("kopf").setLevel(logging.WARNING)  # it has a line for every event
        for name in _FRAME:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        for name in _LOGGERS:
            logging.getLogger(name).addFilter(self._filter)
        self._thread.start()

    async def wait(self) -> None:
        """Wait for its end; ``failure`` says why it came unbidden."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Tell kopf to end and wait until it has."""
        self._stop.set()
        await asyncio.to_thread(self._thread.join)
        for name in _LOGGERS:
            logging.getLogger(name).removeFilter(self._filter)

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(self._watch())
        except Exception as error:  # noqa: BLE001 - whoever waits asks for it
            self.failure = error
        self._stop.set()  # a thread of kopf waits for it
        loop.set_exception_handler(_ignore)
        loop.run_until_complete(self._close())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def _watch(self) -> None:
        """Until told to stop, or until a task of kopf has failed."""
        beating = asyncio.create_task(self._keep_beating())
        children = self.watched.children
        tasks = await kopf.spawn_tasks(
            registry=make_registry(KINDS["SpeechPipeline"], children, self._sink, self._open),
            settings=make_settings(children),
            clusterwide=not self.watched.namespaces,
            namespaces=self.watched.namespaces,
            standalone=True,
            stop_flag=self._stop,
        )
        done, _ = await asyncio.wait((*tasks, beating), return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _close(self) -> None:
        """End what is left, with a bound: kopf's own end waits for watches whose end nobody hears of (1.45.2: after a
        404 it never comes). Nothing is lost with them: they only read.
        """
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=END_SECONDS)
        for session in self._sessions:
            await session.aiohttp_session.close()

    async def _open(self) -> kopf.AiohttpSession:
        session = await self._login()
        self._sessions.append(session)
        return session

    async def _keep_beating(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(1)


class _Retries(logging.Filter):
    """Counts what kopf would log for every attempt; what is wrong is said once, by our own checks."""

    def __init__(self, count: Callable[[], None]) -> None:
        super().__init__()
        self._count = count

    def filter(self, record: logging.LogRecord) -> bool:
        if not record.getMessage().startswith("Request attempt"):
            return True
        self._count()
        get_logger(__name__).debug("watch_retried", reason=record.getMessage())
        return False


def _ignore(_loop: asyncio.AbstractEventLoop, _context: object) -> None:
    """What fails in a loop that is being thrown away."""
