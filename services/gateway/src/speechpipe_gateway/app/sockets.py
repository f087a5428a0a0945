"""uvicorn's protocols with bounds that they lack: on the time of a handshake, on pings, and on a farewell.

And with a way for audio that wakes no task.
"""

import asyncio
from asyncio.transports import BaseTransport
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from uvicorn._types import ASGIReceiveEvent
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.http11 import Request

from speechpipe_gateway.admission import Budget
from speechpipe_gateway.app.framing import FrameSplitter
from speechpipe_gateway.app.intake import BREATH, DIRECT

FAREWELL_SECONDS = 10.0
"""How long a connection that has ended may take to read its last bytes: closing alone waits for that for ever."""

PINGS_PER_SECOND = 10.0

ABORT = "speechpipe.abort"
"""ASGI extension of HTTP requests; its ``call`` cuts the connection, whose peer does not read."""


class HurriedHttp(HttpToolsProtocol):
    """Ends a connection that has not sent the head of its first request within ``seconds``."""

    seconds = 5.0

    def connection_made(self, transport: BaseTransport) -> None:
        """Start the clock."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._clock = self.loop.call_later(self.seconds, self._give_up)

    def on_message_begin(self) -> None:
        """Offer the extension."""
        super().on_message_begin()
        self.scope["extensions"] = {ABORT: {"call": self.transport.abort}}

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
    """Takes few pings, answers none while the pongs are not read, and does not wait for ever to be read.

    As the ASGI extension :data:`~speechpipe_gateway.app.intake.DIRECT` it gives audio to an ear at once, without a
    queue and a task in between, while the application waits for the next message and none is queued before.
    """

    def connection_made(self, transport: BaseTransport) -> None:
        """Begin to count pings."""
        super().connection_made(transport)
        self._pings = Budget(PINGS_PER_SECOND, self.loop.time())
        self._splitter: FrameSplitter | None = None
        self._awaited = False
        self.ear: Callable[[bytes], bool] | None = None

    def handle_connect(self, event: Request) -> None:
        """Offer the extension; frames are split where none came before its answer."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[DIRECT] = self

    def data_received(self, data: bytes) -> None:
        """Audio goes its own way."""
        if self._splitter is None:
            super().data_received(data)
            if self.handshake_initiated and not self.conn.reader.buffer:
                self._splitter = FrameSplitter(self.config.ws_max_size)
            return
        for is_message, piece in self._splitter.feed(data):
            if self.transport.is_closing():
                return  # after a close frame, or one that was wrong, nothing counts
            if not is_message:
                super().data_received(piece)
            elif self.ear is not None and self._awaited and self.queue.empty() and not self.close_sent:
                if not self.ear(piece):
                    self.breathe()
            elif self.conn.close_rcvd is None:
                self.curr_msg_data_type, self.frames = "bytes", [piece]
                self.send_receive_event_to_app()

    def breathe(self) -> None:
        """Wake the application, which has something to see to before it takes more audio."""
        self.queue.put_nowait(BREATH)
        if not self.read_paused and not self.transport.is_closing():
            self.read_paused = True
            self.transport.pause_reading()

    async def receive(self) -> ASGIReceiveEvent:
        """The next message that is no audio, or that is audio but came at another time."""
        self._awaited = True
        try:
            return await super().receive()
        finally:
            self._awaited = False

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
