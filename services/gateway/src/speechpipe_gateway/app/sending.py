"""Messages on their way out to one client."""

import asyncio
from collections.abc import Sequence

from fastapi import WebSocket, WebSocketDisconnect

from speechpipe_gateway.dialect import Dialect, Flushed, Later, Reply, Timekeeper
from speechpipe_gateway.live.outbox import Goodbye, Outbox, Outgoing

SEND_SECONDS = 30.0
"""A client that takes nothing for this long is cut off; it can resume."""


async def send_all(socket: WebSocket, outbox: Outbox, dialect: Dialect) -> None:
    """Send what is put into the outbox, until its goodbye, or until the client takes nothing any more."""
    while True:
        message = await outbox.take()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                if isinstance(message, Goodbye):
                    last, code = dialect.goodbye(message.code, message.reason)
                    for text in last:
                        await socket.send_text(text)
                    await socket.close(code, message.reason[:120])
                    return
                for text in _texts(dialect, message):
                    await socket.send_text(text)
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            # Starlette raises RuntimeError for a socket that is closed already.
            return


def _texts(dialect: Dialect, message: Outgoing) -> Sequence[str]:
    match message:
        case Reply(text):
            return (text,)
        case Later(say):
            return say()
        case Flushed(owed):
            return dialect.flushed(owed) if isinstance(dialect, Timekeeper) else ()
    return dialect.said(message)
