"""Messages on their way out to one client."""

import asyncio

from fastapi import WebSocket, WebSocketDisconnect

from speechpipe_common.messages import encode
from speechpipe_gateway.live.outbox import Goodbye, Outbox

SEND_SECONDS = 30.0
"""A client that takes nothing for this long is cut off; it can resume."""


async def send_all(socket: WebSocket, outbox: Outbox) -> None:
    """Send what is put into the outbox, until its goodbye, or until the client takes nothing any more."""
    while True:
        message = await outbox.take()
        try:
            async with asyncio.timeout(SEND_SECONDS):
                if isinstance(message, Goodbye):
                    await socket.close(message.code, message.reason[:120])
                    return
                await socket.send_text(encode(message).decode())
        except (TimeoutError, WebSocketDisconnect, RuntimeError, OSError):
            # Starlette raises RuntimeError for a socket that is closed already.
            return
