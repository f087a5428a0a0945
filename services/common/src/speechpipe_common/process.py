"""The frame of a process: an event loop, signals that ask it to stop, and an exit status that tells the truth."""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any

from speechpipe_common.logs import get_logger

_log = get_logger(__name__)


def instance_name(component: str, given: str = "") -> str:
    """Name of this process: ``given``, or component, host and chance, so that a restart is somebody new."""
    return given or f"{component}-{socket.gethostname()}-{secrets.token_hex(3)}"


def run(
    main: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> int:
    """Run ``main(stop)`` to its end and return the exit status.

    The first SIGTERM or SIGINT sets ``stop``, and ``main`` is trusted to end in good order; the second ends the process
    at once with status 128 + signal. An exception is logged and gives status 1. ``loop_factory`` makes another event
    loop than asyncio's own, such as uvloop's.
    """
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            runner.run(_framed(main))
    except Exception:  # noqa: BLE001 - the last frame: told in full, and as an exit status
        _log.exception("process_failed")
        return 1
    return 0


async def _framed(main: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, number, stop)
    await main(stop)


def _on_signal(number: signal.Signals, stop: asyncio.Event) -> None:
    if stop.is_set():
        os._exit(128 + number)
    _log.info("stopping", signal=number.name)
    stop.set()
