"""The WebSocket endpoints: the handshake answered, the connection served."""

from collections.abc import Sequence
from functools import partial

from fastapi import FastAPI, WebSocket
from fastapi.telemetry import TelemetryConfig
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocketDisconnect

from speechpipe_common.logs import get_logger
from speechpipe_common.wire import CLOSE_AUTH, CLOSE_BAD_MESSAGE, CLOSE_FULL, CLOSE_RESTART, Error
from speechpipe_gateway.admission import RETRY_SOON, Refuse
from speechpipe_gateway.app.connection import Connection
from speechpipe_gateway.app.door import Door
from speechpipe_gateway.app.services import Services
from speechpipe_gateway.auth import ApiKey
from speechpipe_gateway.deepgram import DeepgramEntrance
from speechpipe_gateway.dialect import Entrance, ProtocolError
from speechpipe_gateway.handshake import origin_allowed
from speechpipe_gateway.native import NativeEntrance
from speechpipe_gateway.openai_realtime import RealtimeEntrance

log = get_logger(__name__)


class Gateway:
    """All connections of this process.

    Args:
        services: what connections share.
        door: who is let in.
        origins: origins of pages that may connect; none: the gateway's own host.
    """

    def __init__(self, services: Services, door: Door, origins: tuple[str, ...]) -> None:
        self._services = services
        self._door = door
        self._origins = origins
        self._connections: set[Connection] = set()

    async def endpoint(self, socket: WebSocket, entrance: Entrance) -> None:
        """Refuse before the upgrade where the client can see it, else serve."""
        headers = socket.headers
        if not origin_allowed(headers.get("origin"), headers.get("host"), self._origins):
            await self._deny(socket, entrance, 403, "origin_denied", "pages of this origin may not connect")
            return
        offered = socket.scope.get("subprotocols", [])
        address = socket.client.host if socket.client else ""
        try:
            key = await self._identify(entrance.token(headers, offered), address, late=entrance.late_auth)
            dialect = entrance.begin(
                socket.query_params.multi_items(),
                authenticated=key is not None,
                sample_rate=self._services.sample_rate,
            )
        except ProtocolError as error:
            if error.close == CLOSE_FULL:
                await self._refuse(socket, entrance, Refuse(error.code, error.message, RETRY_SOON))
            else:
                status = 401 if error.close == CLOSE_AUTH else 400
                await self._deny(socket, entrance, status, error.code, error.message)
            return
        # A client that comes back brings work that was accepted before: a full queue does not keep it out.
        resuming = entrance.resuming(socket.query_params)
        refusal = self._door.admit(key, address, resuming=resuming)
        if refusal is not None:
            await self._refuse(socket, entrance, refusal)
            return
        await socket.accept(subprotocol=entrance.subprotocol(offered))
        connection = Connection(socket, dialect, self._services, self._door, key, address, resuming=resuming)
        await self._serve(connection, address)

    async def _identify(self, token: str | None, address: str, *, late: bool) -> ApiKey | None:
        key = await self._door.identify(token, address)
        if key is None and not late:
            raise ProtocolError("not_authenticated", "no API key was shown; send one with the handshake", CLOSE_AUTH)
        return key

    async def _serve(self, connection: Connection, address: str) -> None:
        metrics = self._services.metrics
        self._connections.add(connection)
        metrics.clients_connected.inc()
        try:
            await connection.serve()
        except WebSocketDisconnect:
            log.debug("client_gone", address=address)
        finally:
            metrics.clients_connected.dec()
            self._connections.discard(connection)

    async def drain(self) -> None:
        """Take nobody in any more and send everybody elsewhere; their sessions can be resumed there."""
        self._door.draining = True
        for connection in list(self._connections):
            connection.close(CLOSE_RESTART, "this gateway is shutting down; resume on another")

    async def _deny(self, socket: WebSocket, entrance: Entrance, status: int, code: str, message: str) -> None:
        """Refuse for good. A page sees no HTTP status, so it gets an error message and a close instead."""
        self._services.metrics.sessions_refused.labels(code).inc()
        if "origin" in socket.headers and status != 403:
            close = CLOSE_AUTH if status == 401 else CLOSE_BAD_MESSAGE
            await self._close(socket, entrance, Error(code=code, message=message, close=close))
        else:
            body, headers = entrance.denial(status, code, message)
            await socket.send_denial_response(JSONResponse(dict(body), status, dict(headers)))

    async def _refuse(self, socket: WebSocket, entrance: Entrance, refusal: Refuse) -> None:
        """Refuse for now: 503 with Retry-After for programs, error and close for pages."""
        self._services.metrics.sessions_refused.labels(refusal.code).inc()
        if "origin" in socket.headers:
            await self._close(socket, entrance, Error(code=refusal.code, message=refusal.message, close=CLOSE_FULL))
            return
        said, headers = entrance.denial(503, refusal.code, refusal.message)
        body = {**said, "retry_after": refusal.retry_after}
        headers = {**headers, "Retry-After": str(refusal.retry_after)}
        await socket.send_denial_response(JSONResponse(body, 503, headers))

    async def _close(self, socket: WebSocket, entrance: Entrance, error: Error) -> None:
        await socket.accept(subprotocol=entrance.subprotocol(socket.scope.get("subprotocols", [])))
        text, code = entrance.error(error.code, error.message, error.close or CLOSE_BAD_MESSAGE)
        await socket.send_text(text)
        await socket.close(code, error.message[:120])


def entrances(models: tuple[str, ...]) -> tuple[Entrance, ...]:
    """The protocols that clients may speak; ``models``: names by which they may ask for the pipeline's model."""
    return NativeEntrance(), RealtimeEntrance(models), DeepgramEntrance()


async def _without_upgrade(request: Request, entrance: Entrance) -> Response:
    """A request that asks for no WebSocket, where there is nothing else."""
    message = f"{entrance.path} is a WebSocket, open one there; whole files go to POST /v1/audio/transcriptions"
    status, hint = (426, {"Upgrade": "websocket"}) if request.method == "GET" else (405, {"Allow": "GET"})
    body, headers = entrance.denial(status, "websocket_only", message)
    return JSONResponse(dict(body), status, {**headers, **hint})


def create_app(gateway: Gateway, spoken: Sequence[Entrance]) -> FastAPI:
    """The application that uvicorn serves."""
    # Traces are our own, of segments: FastAPI's would be of connections that last for hours, with their addresses.
    own = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
    app = FastAPI(title="Speechpipe gateway", openapi_url=None, docs_url=None, redoc_url=None, telemetry=own)
    for entrance in spoken:
        app.router.add_websocket_route(entrance.path, partial(gateway.endpoint, entrance=entrance))
        app.router.add_route(entrance.path, partial(_without_upgrade, entrance=entrance), ["GET", "POST"])
    return app
