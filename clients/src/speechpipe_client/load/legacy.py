"""The reference system's wire format: binary frames of ``u32 LE length`` + JSON + PCM16LE, and no ``start``.

A gateway of ours answers in its own messages. Of others, ``realtime`` and ``fullSentence`` (or ``final``) with a
``text`` are understood; they name no times, so their finals are taken to come in the order of what was said.
"""

import asyncio
import math
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from speechpipe_client.closing import Refused, Retry, judge_close, judge_status
from speechpipe_client.errors import GatewayUnreachable, ProtocolError, SpeechpipeError
from speechpipe_client.load.lines import REACH_SECONDS, Wish
from speechpipe_client.load.record import Told
from speechpipe_client.load.talker import RATE, Talker
from speechpipe_client.options import Endpoint
from speechpipe_common.wire import AudioAck, FinalCaption, Realtime, ServerMessage, SetLangs

_METADATA: Final = msgspec.json.encode({"sampleRate": RATE, "channels": 1})
HEADER: Final = struct.pack("<I", len(_METADATA)) + _METADATA
"""What stands before the samples of each frame."""

PARTIAL: Final = frozenset({"realtime", "partial"})
FINAL: Final = frozenset({"final", "fullSentence", "full_sentence"})


class _Other(msgspec.Struct, frozen=True):
    """What is read of another system's message."""

    type: str = ""
    text: str = ""


_native: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)
_other = msgspec.json.Decoder(_Other)


def decode(message: str | bytes) -> Told | None:
    """A message as an event; None for one that tells nothing of what was heard.

    Raises:
        ProtocolError: it is no JSON object.
    """
    with suppress(msgspec.DecodeError):
        native = _native.decode(message)
        return None if isinstance(native, AudioAck) else native
    try:
        other = _other.decode(message)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"the peer sent what is no JSON object with type and text: {error}") from error
    if other.type in PARTIAL:
        return untimed_partial(other.text)
    return untimed_final(other.text) if other.type in FINAL else None


def untimed_partial(text: str) -> Realtime:
    """A partial of a peer that tells no more than its text."""
    return Realtime(
        segment_id="", rev=0, text=text, committed="", tail=text, language="", processing_time=0.0, cursor=""
    )


def untimed_final(text: str) -> FinalCaption:
    """A final of such a peer."""
    return FinalCaption(
        segment_id="",
        rev=0,
        text=text,
        language="",
        start=math.nan,
        end=math.nan,
        words=(),
        continues=False,
        processing_time=0.0,
        cursor="",
    )


class LegacyLine:
    """A connection that speaks legacy frames; it can't resume."""

    def __init__(self, wish: Wish, number: int) -> None:
        self.sent = 0
        self.received = 0
        self._url = wish.urls[number % len(wish.urls)]
        self._endpoint = Endpoint((self._url,), wish.api_key)
        self._wish = wish
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._sender: asyncio.Task[None] | None = None
        self._socket: ClientConnection | None = None
        self._stopped = False

    async def open(self, language: str, talker: Talker) -> None:
        """Connect, and say the languages.

        Raises:
            SpeechpipeError: nobody there, or refused.
        """
        headers = self._endpoint.headers()
        try:
            self._socket = await open_socket(
                self._url, additional_headers=headers, compression=None, proxy=None, open_timeout=REACH_SECONDS
            )
        except InvalidStatus as error:
            ending = judge_status(error.response.status_code, None, self._url)
            if isinstance(ending, Refused | Retry):
                raise ending.error from error
        except (InvalidURI, OSError, TimeoutError, InvalidHandshake) as error:
            raise GatewayUnreachable(f"no peer at {self._url}: {error or type(error).__name__}") from error
        languages = SetLangs(source_language=language, target_languages=self._wish.targets)
        await self._opened.send(msgspec.json.encode(languages).decode())
        self._sender = asyncio.create_task(self._send())

    def send(self, frame: bytes) -> None:
        """Queue it, with its header."""
        self._frames.put_nowait(HEADER + frame)

    async def stop(self) -> None:
        """Leave: all is answered, and this protocol has no word for it."""
        self._stopped = True
        await self._opened.close()

    def cut(self) -> None:
        """Break the socket."""
        self._opened.transport.abort()

    async def events(self) -> AsyncIterator[Told]:
        """What the peer says.

        Raises:
            SpeechpipeError: it closed the connection, or says what is not understood.
        """
        try:
            while True:
                message = await self._opened.recv()
                self.received += len(message)
                event = decode(message)
                if event is not None:
                    yield event
        except ConnectionClosed as closed:
            if not self._stopped:
                raise _explain(closed) from closed

    async def close(self) -> None:
        """Drop the connection."""
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)
        if self._socket is not None:
            self._socket.transport.abort()

    async def _send(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await self._frames.get()
                await self._opened.send(frame)
                self.sent += len(frame)

    @property
    def _opened(self) -> ClientConnection:
        if self._socket is None:
            raise RuntimeError("this line is not open")
        return self._socket


def _explain(closed: ConnectionClosed) -> SpeechpipeError:
    code, reason = (1006, "the connection broke") if closed.rcvd is None else (closed.rcvd.code, closed.rcvd.reason)
    ending = judge_close(code, reason, None)
    if isinstance(ending, Refused | Retry):
        return ending.error
    return GatewayUnreachable(f"the peer closed the connection while the stream was speaking ({code} {reason})")
