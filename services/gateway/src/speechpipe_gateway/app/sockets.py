"""uvicorn's protocols with bounds that they lack: on the time of a handshake, on pings, and on a farewell."""

import asyncio
from asyncio.transports import BaseTransport

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode

from speechpipe_gateway.admission import Budget

FAREWELL_SECONDS = 10.0
"""How long a connection that has ended may take to read its last bytes: closing alone waits for that for ever."""

PINGS_PER_SECOND = 10.0


class HurriedHttp(HttpToolsProtocol):
    """Ends a connection that has not sent the head of its first request within ``seconds``."""

    seconds = 5.0

    def connection_made(self, transport: BaseTransport) -> None:
        """Start the clock."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._clock = self.loop.call_later(self.seconds, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._clock.cancel()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """The head is here; the connection has another protocol from now on."""
        self._clock.cancel()
        super().handle_websocket_upgrade()

    def _give_up(self) -> None:
        if not self.cycle:
            self.transport.abort()


def http_within(seconds: float) -> type[HurriedHttp]:
    """The HTTP protocol with this time for the first request; uvicorn wants a class."""

    class Http(HurriedHttp):
        pass

    Http.seconds = seconds
    return Http


class FirmWebSocket(WebSocketsSansIOProtocol):
    """Takes few pings, answers none while the pongs are not read, and does not wait for ever to be read."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to count pings."""
        super().connection_made(transport)
        self._pings = Budget(PINGS_PER_SECOND, self.loop.time())

    def handle_ping(self) -> None:
        """Pings are answered below the messages, where neither their rate nor an unread answer holds anybody back."""
        if self.close_sent:
            return
        if self._pings.spend(1, self.loop.time()):
            self.conn.fail(CloseCode.POLICY_VIOLATION, f"more than {PINGS_PER_SECOND:.0f} pings a second")
            self.handle_parser_exception()
        elif self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # a later ping's pong will do (RFC 6455, 5.5.3)

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        """The connection is served: whoever does not read the rest in time is cut off."""
        super().on_task_complete(task)
        self.loop.call_later(FAREWELL_SECONDS, self.transport.abort)
