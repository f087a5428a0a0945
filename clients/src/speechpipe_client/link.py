"""Keeps one session connected: connect or resume, send, receive, and start over when the connection is lost."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress

from speechpipe_client.backoff import Backoff
from speechpipe_client.closing import Done, Refused, Retry
from speechpipe_client.connection import Connection, ConnectionLost, Traffic, resuming
from speechpipe_client.errors import GatewayUnreachable, ProtocolError, SessionLost
from speechpipe_client.events import Lost, back, event_of, opened
from speechpipe_client.inbox import Deduplicator, EventQueue
from speechpipe_client.options import Endpoint, Limits, SessionOptions
from speechpipe_client.outbox import Outbox
from speechpipe_common.wire import AudioAck, ClientMessage, Keepalive, Ready, Resume, ServerMessage

_FRAME_LIMIT = 32_768
"""Bytes in one binary message: an eighth of what a gateway takes, a second of 16 kHz audio."""


class Link:
    """The task behind a session: moves audio out of ``outbox`` and events into ``events`` until the session is over.

    Everything runs on one event loop, so that a change and its ``notify`` need no lock.
    """

    def __init__(self, endpoint: Endpoint, options: SessionOptions, limits: Limits) -> None:
        self.outbox = Outbox(options.frame_bytes)
        self.events = EventQueue()
        self.opened: Ready | None = None
        self.over = False
        self.traffic = Traffic()
        self._connection: Connection | None = None
        self._endpoint = endpoint
        self._options = options
        self._limits = limits
        self._news = Deduplicator()
        self._cursor = "0-0"
        opening = limits.patience_seconds if limits.opening_seconds is None else limits.opening_seconds
        self._backoff = Backoff(opening, random.random)
        self._turn = 0
        self._pulse = asyncio.Event()
        self._lost_at: float | None = None

    @property
    def url(self) -> str:
        """The gateway that is tried or connected to."""
        return self._endpoint.urls[self._turn % len(self._endpoint.urls)]

    def notify(self) -> None:
        """Something changed: let every ``wait_until`` look again."""
        self._pulse.set()
        self._pulse = asyncio.Event()

    def break_connection(self) -> None:
        """Drop the present connection without a word, if there is one."""
        if self._connection is not None:
            self._connection.abort()

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds or the session is over."""
        while not (self.over or condition()):
            await self._pulse.wait()

    async def run(self) -> None:
        """Serve the session until everything is delivered.

        Raises:
            SpeechpipeError: the session cannot go on.
        """
        try:
            while True:
                try:
                    await self._connect_and_serve()
                except ConnectionLost as lost:
                    if isinstance(lost.ending, Done):
                        return
                    await self._prepare_retry(lost.ending)
        finally:
            self.over = True
            self.notify()

    async def _prepare_retry(self, ending: Retry | Refused) -> None:
        if isinstance(ending, Refused):
            raise ending.error
        self._turn += 1
        tried_all = self._turn >= len(self._endpoint.urls)
        if self.opened is None and not ending.answered:
            if tried_all:
                raise ending.error
            return
        now = asyncio.get_running_loop().time()
        if self.opened is not None and self._lost_at is None:
            self._lost_at = now
            self.events.put(Lost(ending.error))
            self.notify()
        wait = self._backoff.next(now, ending.wait)
        if wait is None:
            raise ending.error if self.opened is None else self._given_up(ending) from ending.error
        await asyncio.sleep(wait)

    def _given_up(self, ending: Retry) -> SessionLost:
        patience = self._limits.patience_seconds
        return SessionLost(
            f"the connection was lost and did not come back within {patience:g} s: {ending.error}; "
            "what came before is complete, the rest has to be said in another session"
        )

    async def _connect_and_serve(self) -> None:
        url = self.url
        if self.opened is not None:
            url = resuming(url)
        connection = await Connection.open(url, self._endpoint, self._limits, self.traffic)
        self._connection = connection
        try:
            await self._greet(connection)
            await self._serve(connection)
        finally:
            self._connection = None
            await connection.close()

    async def _greet(self, connection: Connection) -> None:
        # Where a gateway refuses at once, sending fails before its reason was read: receiving raises it.
        with suppress(ConnectionLost):
            for message in self._greeting():
                await connection.send(message)
        try:
            async with asyncio.timeout(self._limits.handshake_seconds):
                while not isinstance(answer := await connection.receive(), Ready):
                    self._take(answer)
        except TimeoutError as error:
            late = GatewayUnreachable(f"the gateway did not answer within {self._limits.handshake_seconds:g} s")
            raise ConnectionLost(Retry(late)) from error
        self._begin(answer)

    def _greeting(self) -> tuple[ClientMessage, ...]:
        if self.opened is None:
            return self._options.languages(), self._options.start()
        resume = Resume(
            session_id=self.opened.session_id,
            token=self.opened.token,
            cursor=self._cursor,
            offset=self.outbox.acknowledged,
        )
        return (resume,)

    def _begin(self, ready: Ready) -> None:
        if self.opened is not None and not (ready.resumed and ready.session_id == self.opened.session_id):
            raise ConnectionLost(Refused(ProtocolError("the gateway opened another session instead of resuming")))
        if self.opened is None:
            self._backoff = Backoff(self._limits.patience_seconds, random.random)
        self.outbox.rewind(ready.offset)
        self._news.reconnected()
        self.opened = ready
        self._cursor = ready.cursor if self._cursor == "0-0" else self._cursor
        self._announce(ready)
        self.notify()

    def _announce(self, ready: Ready) -> None:
        if self._lost_at is None:
            self.events.put(opened(ready))
            return
        self.events.put(back(ready, asyncio.get_running_loop().time() - self._lost_at))
        self._lost_at = None

    async def _serve(self, connection: Connection) -> None:
        """Send and receive side by side until the connection is lost.

        The receiver says why: messages that came before the close are still read, the explanation among them.
        """
        sender = asyncio.create_task(self._send(connection))
        receiver = asyncio.create_task(self._receive(connection))
        try:
            await asyncio.wait((sender, receiver), return_when=asyncio.FIRST_COMPLETED)
            if sender.done():
                sender.result()
            await receiver
        finally:
            sender.cancel()
            receiver.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)

    async def _send(self, connection: Connection) -> None:
        clock = asyncio.get_running_loop().time
        sent_at = clock()
        with suppress(ConnectionLost):
            while True:
                due: ClientMessage | bytes | None = self.outbox.take(_FRAME_LIMIT)
                if due is None and clock() - sent_at >= self._limits.keepalive_seconds:
                    due = Keepalive()
                if due is not None:
                    await connection.send(due)
                    sent_at = clock()
                    self.notify()
                    continue
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(sent_at + self._limits.keepalive_seconds):
                        await self._pulse.wait()

    async def _receive(self, connection: Connection) -> None:
        while True:
            self._take(await connection.receive())
            await self.wait_until(lambda: len(self.events) < self._limits.pending_events)

    def _take(self, message: ServerMessage) -> None:
        self._cursor = getattr(message, "cursor", None) or self._cursor
        if isinstance(message, AudioAck):
            acknowledged = self.outbox.acknowledged
            self.outbox.release(message.offset)
            progress = self.outbox.acknowledged > acknowledged
        elif isinstance(message, Ready):
            progress = False  # nobody asked for another one
        elif progress := self._news.admit(message):
            self.events.put(event_of(message))
        if progress:
            self._backoff.reset()
        self.notify()
