"""What a request of OpenAI's REST interface is answered with, and the watch over who waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from speechpipe_common.logs import get_logger
from speechpipe_gateway.app.sending import SEND_SECONDS
from speechpipe_gateway.files.errors import ApiError
from speechpipe_gateway.files.transcript import event

LINGER_SECONDS: Final = 10.0
"""How long the rest of a body is read and forgotten that is not wanted: a client that is still sending, and finds the
connection closed, reads no answer."""

log = get_logger(__name__)


class Refusal(JSONResponse):
    """An error in OpenAI's shape.

    Args:
        error: what is refused, and why.
        unread: the client may still be sending its body.
    """

    def __init__(self, error: ApiError, *, unread: bool = False) -> None:
        headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
        if error.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if unread:
            headers["Connection"] = "close"
        super().__init__(error.body, error.status, headers)
        self._unread = unread

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the answer at once, and end it when the client has stopped sending."""
        if not self._unread:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        if not any(name == b"expect" for name, _ in scope["headers"]):  # who asks before sending has sent nothing
            await _linger(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(receive: Receive) -> None:
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while (await receive()).get("more_body"):
                pass
    except TimeoutError:
        log.debug("body_not_awaited")


class Events(Response):
    """Server-sent events.

    Args:
        events: whole events; an :class:`ApiError` that they raise is the last one.
        held: released when the response has ended, however it ends.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes], held: AsyncExitStack) -> None:
        super().__init__(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._events = events
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the last, or until the client has gone."""
        async with self._held:
            try:
                async with until_gone(receive):
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    async for piece in self._told():
                        async with asyncio.timeout(SEND_SECONDS):
                            await send({"type": "http.response.body", "body": piece, "more_body": True})
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except (ClientDisconnect, TimeoutError, OSError):
                log.debug("listener_gone")

    async def _told(self) -> AsyncIterator[bytes]:
        try:
            async for piece in self._events:
                yield piece
        except ApiError as error:
            yield event(error.body)


@asynccontextmanager
async def until_gone(receive: Receive) -> AsyncIterator[None]:
    """Run the block while the client waits; its body must have been read.

    Raises:
        ClientDisconnect: it has gone, and the block was cancelled.
    """
    worker = asyncio.current_task()
    if worker is None:
        raise AssertionError("a request outside a task")
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        worker.cancel()

    watching = asyncio.create_task(watch(), name="watch")
    try:
        yield
    except asyncio.CancelledError:
        if gone and not worker.uncancel():
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()
