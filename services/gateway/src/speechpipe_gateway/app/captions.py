"""``/captions/{session}.vtt`` and ``.srt``: subtitles that grow while somebody speaks."""

import asyncio
from contextlib import AsyncExitStack
from typing import Final

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from speechpipe_common.logs import get_logger
from speechpipe_gateway.admission import RETRY_SOON
from speechpipe_gateway.app.answers import until_gone
from speechpipe_gateway.app.sending import SEND_SECONDS
from speechpipe_gateway.app.sockets import ABORT
from speechpipe_gateway.captions import CaptionError, GrowingFile, read
from speechpipe_gateway.live.feeds import Feeds, FeedsAwayError, TooManyReadersError, UnknownCaptionsError

PATH: Final = "/captions/{name}"
QUIET_SECONDS: Final = 15.0
"""Proxies take a connection for dead on which nothing comes for longer."""

_KINDS: Final = {"vtt": "text/vtt; charset=utf-8", "srt": "application/x-subrip; charset=utf-8"}
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A page that shows the link in a player is somewhere else; without the token it gets nothing.
    "Access-Control-Allow-Origin": "*",
}

log = get_logger(__name__)


class Captions:
    """Serves captions to who only reads.

    Args:
        feeds: of sessions.
    """

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds

    def add_to(self, app: FastAPI) -> None:
        """Serve the path."""
        app.router.add_route(PATH, self._serve, ["GET"])

    def close(self) -> None:
        """End all files: the process is about to."""
        self._feeds.close()

    async def _serve(self, request: Request) -> Response:
        async with AsyncExitStack() as stack:
            try:
                ask = read(request.path_params["name"], request.query_params, request.headers.get("authorization"))
                feed = await stack.enter_async_context(self._feeds.open(ask.session, ask.token))
            except CaptionError as error:
                return _refusal(error)
            except UnknownCaptionsError:
                text = "there is no session of this name whose captions this token opens; it may be over for an hour"
                return _refusal(CaptionError(404, "captions_unknown", text))
            except TooManyReadersError:
                text = "as many people read captions here as may at a time (MAX_CAPTION_READERS); try again"
                return _refusal(CaptionError(503, "captions_full", text, RETRY_SOON))
            except FeedsAwayError:
                text = "captions cannot be read at the moment; try again"
                return _refusal(CaptionError(503, "unavailable", text, RETRY_SOON))
            headers = {**_HEADERS, "Content-Type": _KINDS[ask.form]}
            if request.method == "HEAD":
                return Response(headers=headers)
            return Reading(feed.file(ask.form, ask.language), headers, stack.pop_all())


class Reading(Response):
    """A file that ends when its session does, for one reader.

    Args:
        file: what is read.
        headers: of the response.
        held: released when the response has ended, however it ends.
    """

    def __init__(self, file: GrowingFile, headers: dict[str, str], held: AsyncExitStack) -> None:
        super().__init__(headers=headers)
        del self.headers["content-length"]
        self._file = file
        self._held = held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send pieces until the file is over, or the reader has gone, or does not read."""
        async with self._held:
            try:
                async with until_gone(receive):
                    await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                    await self._send_all(send)
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            except TimeoutError:  # which is an OSError as well
                log.debug("caption_reader_stuck")
                if abort := scope.get("extensions", {}).get(ABORT):
                    abort["call"]()
                while (await receive())["type"] != "http.disconnect":
                    pass
            except (ClientDisconnect, OSError):
                log.debug("caption_reader_gone")

    async def _send_all(self, send: Send) -> None:
        """Raises TimeoutError where a piece is not taken in time."""
        number = 0
        while (text := await self._file.piece(number, QUIET_SECONDS)) is not None:
            number += bool(text)
            if body := (text or self._file.quiet).encode():
                async with asyncio.timeout(SEND_SECONDS):
                    await send({"type": "http.response.body", "body": body, "more_body": True})


def _refusal(error: CaptionError) -> Response:
    headers = dict(_HEADERS)
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse({"code": error.code, "message": str(error)}, error.status, headers)
