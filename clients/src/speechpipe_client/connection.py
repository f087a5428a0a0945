"""One WebSocket connection to a gateway: opening it, and what its failure means."""

import errno
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from speechpipe_client.closing import Ending, Refused, Retry, judge_close, judge_status
from speechpipe_client.errors import GatewayUnreachable, ProtocolError
from speechpipe_client.options import Endpoint, Limits
from speechpipe_common.wire import ClientMessage, Error, ServerMessage

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CLOSE_SECONDS = 1.0

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


class _Refusal(msgspec.Struct):
    message: str


_refusal = msgspec.json.Decoder(_Refusal)


def resuming(url: str) -> str:
    """The address with ``resume=1`` in its query: a gateway whose queue is full still lets a session come back."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, "resume=1")))))


class ConnectionLost(Exception):
    """The connection is over; ``ending`` says what that means for the session."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(str(ending))
        self.ending = ending


@dataclass(slots=True)
class Traffic:
    """Bytes of all messages, WebSocket framing not counted."""

    sent: int = 0
    received: int = 0


class Connection:
    """Typed messages over one socket."""

    def __init__(self, socket: ClientConnection, traffic: Traffic) -> None:
        self._socket = socket
        self._traffic = traffic
        self._said: Error | None = None

    @classmethod
    async def open(cls, url: str, endpoint: Endpoint, limits: Limits, traffic: Traffic) -> "Connection":
        """Connect and upgrade.

        Raises:
            ConnectionLost: nobody there, or refused.
        """
        try:
            opened = await open_socket(
                url,
                additional_headers=endpoint.headers(),
                compression=None,  # PCM does not shrink, and the gateway refuses it
                proxy=None if urlsplit(url).hostname in _LOOPBACK else True,
                open_timeout=limits.handshake_seconds,
                ping_interval=limits.ping_seconds,
                ping_timeout=limits.ping_seconds,
                close_timeout=_CLOSE_SECONDS,
            )
        except InvalidStatus as error:
            answer = error.response
            ending = judge_status(answer.status_code, answer.headers.get("Retry-After"), url, _reason(answer.body))
            raise ConnectionLost(ending) from error
        except InvalidURI as error:
            raise ConnectionLost(Refused(ProtocolError(f"{url!r} is no ws:// or wss:// address"))) from error
        except (OSError, TimeoutError, InvalidHandshake) as error:
            why = GatewayUnreachable(f"no gateway answers at {url}: {_why_not(error, limits)}")
            raise ConnectionLost(Retry(why, answered=False)) from error
        return cls(opened, traffic)

    async def send(self, message: ClientMessage | bytes) -> None:
        """Send a control message or audio.

        Raises:
            ConnectionLost: the connection is over.
        """
        frame = message if isinstance(message, bytes) else _encoder.encode(message).decode()
        try:
            await self._socket.send(frame)
        except ConnectionClosed as closed:
            raise ConnectionLost(self._judge(closed)) from closed
        self._traffic.sent += len(frame)

    async def receive(self) -> ServerMessage:
        """The next message that does not announce the end of the connection.

        Raises:
            ConnectionLost: the connection is over, or the gateway sent what this client cannot read.
        """
        while True:
            try:
                frame = await self._socket.recv()
                self._traffic.received += len(frame)
                message = _decoder.decode(frame)
            except ConnectionClosed as closed:
                raise ConnectionLost(self._judge(closed)) from closed
            except msgspec.DecodeError as error:
                refusal = ProtocolError(f"the gateway sent what this client cannot read: {error}")
                raise ConnectionLost(Refused(refusal)) from error
            if isinstance(message, Error) and message.close is not None:
                self._said = message
                continue
            return message

    async def close(self) -> None:
        """Say goodbye; a peer that does not answer is left after a second."""
        await self._socket.close()

    def abort(self) -> None:
        """Break it without a close frame."""
        self._socket.transport.abort()

    def _judge(self, closed: ConnectionClosed) -> Ending:
        # What was received decides: after a lost ping our own side sends 1011, which would say nothing of the peer.
        if closed.rcvd is None:
            return judge_close(1006, "the connection broke", self._said)
        return judge_close(closed.rcvd.code, closed.rcvd.reason, self._said)


def _reason(body: bytes | bytearray | None) -> str:
    """The sentence in a refusal before the upgrade, which a gateway gives as JSON; empty where there is none."""
    with suppress(msgspec.DecodeError):
        return _refusal.decode(body or b"").message
    return ""


def _why_not(error: Exception, limits: Limits) -> str:
    """Why nobody could be reached, in plain words where they are known."""
    match error:
        case OSError() if f"Errno {errno.ECONNREFUSED}]" in str(error):  # of one address, or of all that a name has
            return "nothing listens there; is it running, and is the port right?"
        case socket.gaierror():
            return "there is no host of that name"
        case ssl.SSLError():
            return f"its certificate or TLS is not accepted: {error}"
        case TimeoutError():
            return f"it was silent for {limits.handshake_seconds:g} s"
        case _:
            return str(error) or type(error).__name__
