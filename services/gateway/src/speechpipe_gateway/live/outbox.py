"""What waits to be written to one client: finals in order, partials in their newest version, never without bound."""

import asyncio
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass

from speechpipe_common.wire import CLOSE_SERVER, Realtime, ServerMessage, Translation
from speechpipe_gateway.dialect import Flushed, Later, Reply
from speechpipe_gateway.live.ordering import NOTHING, InOrder

MAX_WAITING = 1_000
"""Messages after which a client that does not read is cut off; it can resume and gets them again."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Close the socket with this."""

    code: int
    reason: str


Outgoing = ServerMessage | Reply | Later | Flushed


class Outbox:
    """A bounded, coalescing queue between a session and its socket.

    Args:
        order: puts captions in order; None leaves them as they come.
    """

    def __init__(self, order: InOrder | None = None) -> None:
        self._order = order
        self._waiting: deque[Outgoing | Goodbye] = deque()
        self._filled = asyncio.Event()
        self.closing = False

    @property
    def held(self) -> frozenset[int]:
        """Segments whose finals are here, waiting for earlier ones."""
        return self._order.held if self._order else frozenset()

    def say(self, message: ServerMessage, owed: Collection[int] = NOTHING) -> None:
        """Queue what a session says; ``owed``: segments whose finals it still owes."""
        for due in (message,) if self._order is None else self._order.take(message, owed):
            self.put(due)

    def put(self, message: Outgoing) -> None:
        """Queue a message; a partial takes the place of the one before it for the same segment."""
        if self.closing:
            return
        if _supersedes(message):
            for index, waiting in enumerate(self._waiting):
                if _same_slot(waiting, message):
                    del self._waiting[index]
                    break
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            self.close(CLOSE_SERVER, "the client does not read; resume to get what is missing")
            return
        self._waiting.append(message)
        self._filled.set()

    def close(self, code: int, reason: str) -> None:
        """Close after what is queued; nothing is taken any more."""
        if not self.closing:
            self.closing = True
            self._waiting.append(Goodbye(code, reason))
            self._filled.set()

    async def take(self) -> Outgoing | Goodbye:
        """The next message, when there is one."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.popleft()


def _supersedes(message: Outgoing) -> bool:
    return isinstance(message, Realtime) or (isinstance(message, Translation) and not message.is_final)


def _same_slot(waiting: Outgoing | Goodbye, message: Outgoing) -> bool:
    match waiting, message:
        case Realtime(segment_id=a), Realtime(segment_id=b):
            return a == b
        case Translation(segment_id=a, language=x, is_final=False), Translation(segment_id=b, language=y):
            return a == b and x == y
    return False
