"""OpenAI's REST interface: ``/v1/audio/transcriptions``, ``/v1/audio/translations`` and ``/v1/models``."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from typing import Any, BinaryIO, Final

from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from speechpipe_common.logs import get_logger
from speechpipe_common.wire import CLOSE_FULL
from speechpipe_gateway.admission import RETRY_SOON
from speechpipe_gateway.app.answers import Events, Refusal, until_gone
from speechpipe_gateway.app.bodies import Body, nameless, no_room
from speechpipe_gateway.app.door import Door
from speechpipe_gateway.app.services import Services
from speechpipe_gateway.app.transcribing import transcribe
from speechpipe_gateway.auth import ApiKey
from speechpipe_gateway.dialect import ProtocolError
from speechpipe_gateway.files import asking, transcript
from speechpipe_gateway.files.asking import Ask, Task
from speechpipe_gateway.files.catalogue import Catalogue
from speechpipe_gateway.files.decoding import Decoder
from speechpipe_gateway.files.errors import AUTHENTICATION, RATE_LIMIT, SERVER, ApiError, refused_file, unavailable
from speechpipe_gateway.files.limits import FileLimits
from speechpipe_gateway.files.sniffing import SUPPORTED, container_of
from speechpipe_gateway.files.transcript import Piece
from speechpipe_gateway.files.upload import Uploaded, check_size, take_in
from speechpipe_gateway.handshake import handshake_token, origin_allowed
from speechpipe_gateway.settings import GatewaySettings

ROOT: Final = "/v1"
UPLOAD_SECONDS: Final = 600.0
"""How long a whole file may take to come."""

log = get_logger(__name__)


class Files:
    """Serves requests with files.

    Args:
        services: what all clients share.
        door: who is let in; a file takes the place of a session.
        limits: of files.
        catalogue: names of models.
        origins: of pages that may ask.
    """

    def __init__(
        self, services: Services, door: Door, limits: FileLimits, catalogue: Catalogue, origins: tuple[str, ...]
    ) -> None:
        self._services = services
        self._door = door
        self._limits = limits
        self._catalogue = catalogue
        self._origins = origins
        self._running: set[asyncio.Task[Any] | None] = set()
        self._done = asyncio.Event()
        self._over = False

    def add_to(self, app: FastAPI) -> None:
        """Serve the paths."""
        app.router.add_route(f"{ROOT}/audio/transcriptions", self._endpoint("transcribe"), ["POST"])
        app.router.add_route(f"{ROOT}/audio/translations", self._endpoint("translate"), ["POST"])
        app.router.add_route(f"{ROOT}/models", self._models, ["GET"])
        app.router.add_route(f"{ROOT}/models/{{name:path}}", self._models, ["GET"])
        app.router.add_route(f"{ROOT}/{{path:path}}", self._nothing, ["GET", "POST", "DELETE"])

    async def drain(self, seconds: float) -> None:
        """Wait for the files that are being transcribed, which nobody can go on with elsewhere; no others come in."""
        try:
            async with asyncio.timeout(seconds):
                while self._running:
                    self._done.clear()
                    await self._done.wait()
        except TimeoutError:
            log.warning("files_not_finished", count=len(self._running), seconds=seconds)
            self._over = True
            for task in self._running:
                if task is not None:
                    task.cancel()

    async def _models(self, request: Request) -> Response:
        try:
            await self._identify(request)
            name = request.path_params.get("name")
            return JSONResponse(self._catalogue.all() if name is None else self._catalogue.one(name))
        except ApiError as error:
            return self._refuse(error)

    async def _nothing(self, request: Request) -> Response:
        return self._refuse(
            ApiError(
                404,
                f"there is no {request.method} {request.url.path[:100]} here; there are "
                f"POST {ROOT}/audio/transcriptions, POST {ROOT}/audio/translations and GET {ROOT}/models",
                code="unknown_url",
            ),
            unread=request.method == "POST",
        )

    def _endpoint(self, task: Task) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            body = Body(request, self._services.limits.idle_seconds)
            try:
                return await self._serve(request, body, task)
            except ApiError as error:
                return self._refuse(error, unread=not body.over)
            except ClientDisconnect:
                return Response(status_code=499)  # nobody reads it
            except Exception:
                # Whatever it is, the client is to find it in the shape that it knows.
                log.exception("file_failed")
                self._services.metrics.errors.inc()
                return self._refuse(ApiError(500, "the gateway failed; try again", code="internal", kind=SERVER))
            except asyncio.CancelledError:
                if not self._over:
                    raise
                return self._refuse(unavailable("this gateway is shutting down; send the file again", "draining", 1))

        return endpoint

    def _refuse(self, error: ApiError, *, unread: bool = False) -> Refusal:
        self._services.metrics.sessions_refused.labels(error.code or "invalid_value").inc()
        return Refusal(error, unread=unread)

    async def _serve(self, request: Request, body: Body, task: Task) -> Response:
        key = await self._identify(request)
        if task == "translate" and not self._limits.translations:
            raise ApiError(
                404,
                "this pipeline has no translation workers; ask for /v1/audio/transcriptions, or have its operator "
                "configure translation",
                code="translation_not_configured",
            )
        check_size(request.headers.get("content-length"), self._limits.size)
        async with AsyncExitStack() as held:
            held.enter_context(self._place(key))
            file = held.enter_context(nameless(self._limits.folder))
            uploaded = await self._take_in(request, body, file)
            ask = asking.read(task, uploaded.fields, self._catalogue)
            container = _container(uploaded)
            async with until_gone(request.receive):
                decoder = await held.enter_async_context(Decoder(file, container, self._limits.seconds))
                pieces = transcribe(self._services, ask, decoder.pcm(), key.id)
                held.push_async_callback(pieces.aclose)
                return await self._answer(ask, pieces, decoder, held)

    async def _answer(self, ask: Ask, pieces: AsyncIterator[Piece], decoder: Decoder, held: AsyncExitStack) -> Response:
        began = time.monotonic()
        # What is wrong with a file shows before its first words: until then there is a status to say it with.
        first = await anext(pieces, None)
        if ask.stream:
            return Events(_events(first, pieces, decoder), held.pop_all())
        said = [] if first is None else [first, *[piece async for piece in pieces]]
        log.info("file_transcribed", seconds=round(decoder.seconds, 1), took=round(time.monotonic() - began, 1))
        content, kind = transcript.write(ask, said, decoder.seconds)
        return Response(content, headers={"Content-Type": kind})

    async def _take_in(self, request: Request, body: Body, file: BinaryIO) -> Uploaded:
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                return await take_in(body.pieces(), request.headers.get("content-type", ""), file, self._limits.size)
        except TimeoutError:
            raise ApiError(
                408, "the file did not come in time; send it without long pauses", code="upload_timeout"
            ) from None
        except OSError as error:
            log.error("file_not_stored", error=str(error))
            raise no_room() from error

    async def _identify(self, request: Request) -> ApiKey:
        headers = request.headers
        if not origin_allowed(headers.get("origin"), headers.get("host"), self._origins):
            raise ApiError(403, "pages of this origin may not ask", code="origin_denied")
        address = request.client.host if request.client else ""
        try:
            key = await self._door.identify(handshake_token(headers.get("authorization"), ()), address)
        except ProtocolError as error:
            if error.close == CLOSE_FULL:
                raise unavailable(error.message, error.code, RETRY_SOON) from error
            raise ApiError(401, error.message, code="invalid_api_key", kind=AUTHENTICATION) from error
        if key is None:
            message = "no API key was sent; send it in the header Authorization, after Bearer"
            raise ApiError(401, message, code="missing_api_key", kind=AUTHENTICATION)
        return key

    @contextmanager
    def _place(self, key: ApiKey) -> Iterator[None]:
        """A place for one file, held until its answer has been sent."""
        refusal = self._door.admit(key)
        if refusal is not None and refusal.code == "key_full":
            raise ApiError(
                429, refusal.message, code="rate_limit_exceeded", kind=RATE_LIMIT, retry_after=refusal.retry_after
            )
        if refusal is not None:
            raise unavailable(refusal.message, refusal.code, refusal.retry_after)
        if len(self._running) >= self._limits.at_a_time:
            message = (
                f"{len(self._running)} files are being transcribed here, the most at a time; try again in a moment"
            )
            raise unavailable(message, "files_full", RETRY_SOON)
        task = asyncio.current_task()
        self._running.add(task)
        try:
            with self._door.inside(key.id):
                yield
        finally:
            self._running.remove(task)
            self._done.set()


def _container(uploaded: Uploaded) -> str:
    container = container_of(uploaded.head)
    if container is None:
        raise refused_file(
            f"the file is none of those that are taken: {SUPPORTED}; its content counts, not its name",
            "unsupported_file",
        )
    return container


async def _events(first: Piece | None, pieces: AsyncIterator[Piece], decoder: Decoder) -> AsyncIterator[bytes]:
    said: list[Piece] = []
    if first is not None:
        said.append(first)
        yield transcript.delta(first, first=True)
    async for piece in pieces:
        said.append(piece)
        yield transcript.delta(piece, first=False)
    yield transcript.done(said, decoder.seconds)


def open_files(services: Services, door: Door, settings: GatewaySettings) -> Files:
    """What serves files, as the settings say."""
    return Files(services, door, FileLimits.of(settings), Catalogue(settings.openai_names), settings.origins)
