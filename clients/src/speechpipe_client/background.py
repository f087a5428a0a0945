"""An event loop on a thread of its own, and waiting for what runs there."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future, wait
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from speechpipe_client.errors import SessionEnded

_T = TypeVar("_T")

_LOOK_SECONDS: Final = 0.5
"""Between looks for Ctrl-C where waiting for a lock does not see it (Windows)."""


class Background:
    """A loop that runs until ``close``; a context manager."""

    def __init__(self) -> None:
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._stop = asyncio.Event()
        # A daemon: a program that forgets to close a session must still be able to end.
        self._thread = threading.Thread(target=self._serve, name="speechpipe", daemon=True)
        self._thread.start()
        self._loop = self._started.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        """Start a coroutine on the loop.

        Raises:
            SessionEnded: the loop was closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(work, self._loop)
        except RuntimeError as error:
            work.close()
            raise SessionEnded("this session was closed: open another one") from error

    def wait(self, future: Future[Any]) -> None:
        """Wait until it is done; Ctrl-C ends the waiting only."""
        while not future.done():
            wait((future,), timeout=_LOOK_SECONDS)

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine to its end; Ctrl-C cancels it.

        Raises:
            SessionEnded: the loop was closed.
            BaseException: what the coroutine raises.
        """
        future = self.submit(work)
        try:
            self.wait(future)
        except BaseException:
            future.cancel()
            raise
        return future.result()

    def close(self) -> None:
        """Cancel what still runs, and wait for the thread's end. More than one call is one."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _serve(self) -> None:
        asyncio.run(self._until_stopped())

    async def _until_stopped(self) -> None:
        self._started.set_result(asyncio.get_running_loop())
        await self._stop.wait()
