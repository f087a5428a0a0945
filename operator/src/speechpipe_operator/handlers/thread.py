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

SIGNALS: Final = "kopf._core.reactor.running"


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
        self._stop = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self.failure: BaseException | None = None
        """What kopf failed of."""
        self._thread = threading.Thread(target=self._run, name="kopf", daemon=True)

    def start(self) -> None:
        """Begin to watch."""
        logging.getLogger("kopf").setLevel(logging.WARNING)  # it has a line for every event
        logging.getLogger(SIGNALS).setLevel(logging.ERROR)  # it misses signals, which are not its business here
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
        try:
            asyncio.run(self._watch())
        except Exception as error:  # noqa: BLE001 - whoever waits asks for it
            self.failure = error
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def _watch(self) -> None:
        beating = asyncio.create_task(self._keep_beating())
        children = self.watched.children
        try:
            await kopf.operator(
                registry=make_registry(KINDS["SpeechPipeline"], children, self._sink, self._login),
                settings=make_settings(children),
                clusterwide=not self.watched.namespaces,
                namespaces=self.watched.namespaces,
                standalone=True,
                stop_flag=self._stop,
            )
        finally:
            self._stop.set()  # a thread of kopf waits for it
            beating.cancel()

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
