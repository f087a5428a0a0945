"""What a client says, frame by frame: audio straight into an ear, where the server can, and all else one by one."""

import asyncio
import time
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol, cast

from fastapi import WebSocket
from uvicorn._types import ASGIReceiveEvent

DIRECT: Final = "speechpipe.direct"
"""Name of the ASGI extension: a :class:`Direct` in the scope."""

BREATH: Final = cast(ASGIReceiveEvent, {"type": "websocket.receive", "breath": True})
"""The event by which the ear makes ``next`` return."""


class Direct(Protocol):
    """A server that gives audio to an ear while the application waits in ``receive`` and nothing is queued."""

    ear: Callable[[bytes], bool] | None
    """Takes a binary message; False: the application has something to see to before it takes another."""

    def breathe(self) -> None:
        """Make ``receive`` return :data:`BREATH`."""
        ...


class Said(Enum):
    """What is no frame."""

    GONE = "gone"
    BREATH = "breath"


class Silence(Exception):
    """The client said nothing for as long as it may."""


class Intake:
    """Reads one accepted socket.

    Args:
        socket: of the client.
    """

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._direct: Direct | None = socket.scope.get("extensions", {}).get(DIRECT)
        self._heard_at = time.monotonic()

    def listen(self, ear: Callable[[bytes], bool] | None) -> None:
        """Give audio to ``ear`` from here on, where the server can; None: to ``next`` again."""
        if self._direct is not None:
            self._direct.ear = ear

    def heard(self, now: float) -> None:
        """The ear has taken something."""
        self._heard_at = now

    def breathe(self) -> None:
        """Make ``next`` return, where an ear may be listening."""
        if self._direct is not None:
            self._direct.breathe()

    async def next(self, wait: float | None) -> str | bytes | Said:
        """The next frame, for which the client has ``wait`` seconds from the last one on; None: all the time.

        Raises:
            Silence: neither a frame came in time nor anything for the ear.
        """
        began = time.monotonic()
        while True:
            left = None if wait is None else max(max(began, self._heard_at) + wait - time.monotonic(), 0)
            try:
                async with asyncio.timeout(left):
                    message = await self._socket.receive()
            except TimeoutError:
                if wait is not None and self._heard_at + wait > time.monotonic():
                    continue
                raise Silence from None
            if message["type"] != "websocket.receive":
                return Said.GONE
            if "breath" in message:
                return Said.BREATH
            text = message.get("text")
            return text if text is not None else bytes(message["bytes"])
