"""One client's WebSocket: frames in, messages out, from the first message to the close."""

import asyncio
import time
from contextlib import ExitStack
from dataclasses import replace

from fastapi import WebSocket
from starlette.websockets import WebSocketState

from speechpipe_common.keys import SAMPLE_RATE
from speechpipe_common.languages import UnknownLanguage
from speechpipe_common.wire import (
    CLOSE_AUTH,
    CLOSE_FULL,
    CLOSE_IDLE,
    CLOSE_SERVER,
    Auth,
    Error,
    Flush,
    Keepalive,
    Resume,
    SetLangs,
    Start,
    Stop,
)
from speechpipe_gateway.admission import Budget
from speechpipe_gateway.app import sending
from speechpipe_gateway.app.door import Door
from speechpipe_gateway.app.endings import ENDINGS, Ending, ending
from speechpipe_gateway.app.hearing import Hearing
from speechpipe_gateway.app.intake import Intake, Said, Silence
from speechpipe_gateway.app.services import Services
from speechpipe_gateway.auth import ApiKey
from speechpipe_gateway.choices import languages, with_hints
from speechpipe_gateway.containers.kinds import container_of
from speechpipe_gateway.containers.stream import NoRoom
from speechpipe_gateway.dialect import Audio, Dialect, Flushed, Later, ProtocolError, Reply, Request, Timekeeper
from speechpipe_gateway.live.factory import Opened
from speechpipe_gateway.live.ordering import InOrder
from speechpipe_gateway.live.outbox import Outbox
from speechpipe_gateway.media import MediaError
from speechpipe_gateway.vad import VadError

WRONG_LANGUAGE_COST = 20.0
"""Messages that one with an unknown language counts for: looking for the name that was meant takes up to 2 ms."""


class Connection:
    """Speaks a client's protocol on an accepted socket.

    Args:
        socket: accepted already.
        dialect: the protocol.
        services: shared parts.
        door: knows keys and places.
        key: who the handshake said it is; None when the first message must say it.
        address: where the client is.
        resuming: the client said in the handshake that it comes back, so it was let in past a full queue.
    """

    def __init__(
        self,
        socket: WebSocket,
        dialect: Dialect,
        services: Services,
        door: Door,
        key: ApiKey | None,
        address: str,
        *,
        resuming: bool,
    ) -> None:
        self._socket = socket
        self._services = services
        self._door = door
        self._key = key
        self._place = ExitStack()
        self._place.enter_context(door.waiting(address) if key is None else door.inside(key.id))
        self._resuming = resuming
        self._dialect = dialect
        self._budget = Budget(services.limits.messages_per_second, time.monotonic())
        self._outbox = Outbox(InOrder() if isinstance(dialect, Timekeeper) else None)
        self._options = services.options if dialect.translates else replace(services.options, targets=())
        self._opened: Opened | None = None
        self._intake = Intake(socket)
        self._hearing = Hearing(
            services.vad, services.rule, services.webrtc_aggressiveness, services.metrics, self._intake.breathe
        )
        self._stopped = False
        self._pause = 0.0
        self._failure: MediaError | VadError | None = None
        self._unconfirmed = False

    async def serve(self) -> None:
        """Run until either side closes."""
        sender = asyncio.create_task(sending.send_all(self._socket, self._outbox, self._dialect), name="sender")
        receiver = asyncio.create_task(self._receive_all(), name="receiver")
        try:
            await asyncio.wait([sender, receiver], return_when=asyncio.FIRST_COMPLETED)
            if receiver.done() and not sender.done() and self._outbox.closing:
                await asyncio.wait([sender], timeout=sending.SEND_SECONDS)
        finally:
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)
            self._intake.listen(None)
            await self._hearing.end()
            self._place.close()
            if self._opened is not None and self._opened.session.outbox is self._outbox:
                self._opened.session.detach()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye after what is queued."""
        self._outbox.close(code, reason)

    # --- in --------------------------------------------------------------------------------------------------------

    async def _receive_all(self) -> None:
        try:
            async with asyncio.timeout(self._services.limits.session_seconds):
                await self._receive()
        except ENDINGS as error:
            self._refuse(ending(error))

    async def _receive(self) -> None:
        connected = time.monotonic()
        for request in self._dialect.opening():
            await self._handle(request)
        while True:
            known = self._dialect.authenticated
            waited = time.monotonic() - connected
            idle = self._services.limits.idle_seconds if self._dialect.says_keepalive else None
            frame = await self._next(idle if known else self._door.limits.auth_timeout_seconds - waited)
            await self._hearing.settled()
            if frame is Said.GONE:
                return
            if not isinstance(frame, Said):
                self._check_first(frame)
                requests = self._dialect.text(frame) if isinstance(frame, str) else self._dialect.binary(frame)
                for request in requests:
                    await self._handle(request)
                self._pause = self._budget.spend(1, time.monotonic())
            await self._breathe()

    async def _next(self, wait: float | None) -> str | bytes | Said:
        """The next frame, or that there is none.

        Raises:
            ProtocolError: nothing came in time.
        """
        try:
            # After stop the client has nothing to say: it waits for us, however long decoding takes.
            return await self._intake.next(None if self._stopped else wait)
        except Silence:
            if not self._dialect.authenticated:
                raise ProtocolError("auth_timeout", "no API key came in time; send auth at once", CLOSE_AUTH) from None
            complaint = f"nothing came for {wait:.0f} s; say keepalive when there is no audio"
            raise ProtocolError("idle", complaint, CLOSE_IDLE) from None

    def _check_first(self, frame: str | bytes) -> None:
        limit = self._door.limits.pre_auth_bytes
        if not self._dialect.authenticated and len(frame) > limit:
            raise ProtocolError("auth_too_big", f"the first message may have {limit} bytes", CLOSE_AUTH)

    async def _breathe(self) -> None:
        """Wait until more may be taken from the client.

        Raises:
            MediaError: what the ear took was no such audio.
            VadError: the detectors failed.
        """
        if self._failure is not None:
            raise self._failure
        if self._hearing.behind:
            await self._hearing.settled()
        if self._opened is not None:
            await self._opened.session.room()
        pause, self._pause = self._pause, 0.0
        if pause:
            await asyncio.sleep(pause)

    def _hear(self, frame: bytes) -> bool:
        """Take audio straight from the socket; False when ``_receive`` must breathe before there is more."""
        now = time.monotonic()
        self._intake.heard(now)
        opened = self._opened
        if opened is None:  # it listens from the start of a session on
            raise AssertionError("audio without a session")
        self._confirm()
        try:
            self._hearing.feed(opened, frame)
        except (MediaError, VadError) as error:
            self._failure = error
            return False
        self._pause = self._budget.spend(1, now)
        return not self._pause and not self._hearing.behind and opened.session.has_room

    async def _handle(self, request: Request) -> None:
        self._confirm()
        match request:
            case Auth(token=token):
                self._key = await self._door.identify_later(token)
                self._dialect.let_in()
                self._place.close()
                self._place.enter_context(self._door.inside(self._key.id))
            case SetLangs():
                self._choose(request)
            case Start():
                await self._start(request)
            case Resume():
                self._opened = await self._services.factory.resume(request, self._key_id, self._outbox)
                self._unconfirmed = True
                self._options = self._opened.session.core.options
                self._unpack(self._opened.session.core.fields["format"])
                self._listen()
            case Reply() | Later():
                self._outbox.put(request)
            case Audio(frame) if self._opened is not None:
                await self._take(self._opened, frame)
            case Flush() | Stop():
                await self._finalise(stop=isinstance(request, Stop))
            case Keepalive():
                pass

    def _confirm(self) -> None:
        if self._unconfirmed and self._opened is not None:
            self._unconfirmed = False
            self._services.factory.confirm_token(self._opened.session)

    @property
    def _key_id(self) -> str:
        return self._key.id if self._key is not None else ""

    async def _start(self, request: Start) -> None:
        if self._resuming and self._key is not None:
            refusal = self._door.admit_new(self._key)
            if refusal is not None:
                raise ProtocolError(refusal.code, refusal.message, CLOSE_FULL)
        self._options = with_hints(self._options, request)
        self._unpack(request.format)
        self._opened = await self._services.factory.open(request, self._options, self._key_id, self._outbox)
        self._listen()

    def _unpack(self, declared: str) -> None:
        container = container_of(declared)
        if container is not None:
            try:
                self._hearing.unpack(self._services.unpackers.open(container))
            except NoRoom as error:
                raise ProtocolError("full", str(error), CLOSE_FULL) from error

    def _listen(self) -> None:
        if self._hearing.direct and self._dialect.binary_is_audio:
            self._intake.listen(self._hear)

    def _choose(self, request: SetLangs) -> None:
        try:
            options = languages(request, self._options)
        except (UnknownLanguage, ProtocolError) as error:
            code = error.code if isinstance(error, ProtocolError) else "unknown_language"
            self._services.metrics.protocol_errors.labels(code).inc()
            self._budget.spend(WRONG_LANGUAGE_COST, time.monotonic())
            self._outbox.put(Error(code=code, message=str(error)))
            return
        self._options = options
        if self._opened is not None:
            session = self._opened.session
            session.do(session.core.choose(options))

    async def _take(self, opened: Opened, frame: bytes) -> None:
        await self._hearing.take(opened, frame)
        if isinstance(self._dialect, Timekeeper):
            for request in self._dialect.heard(opened.audio.position / SAMPLE_RATE):
                await self._handle(request)

    async def _finalise(self, *, stop: bool) -> None:
        if self._opened is None:
            return
        session = self._opened.session
        # A dialect may have put audio in front of it.
        await self._hearing.settled()
        if stop:
            self._stopped = True
            self._intake.listen(None)
            await self._hearing.drain(self._opened)
            self._hearing.finish(self._opened)
            session.do(session.core.stop(time.time()))
        else:
            session.do(session.core.flush(time.time()))
            if isinstance(self._dialect, Timekeeper):
                owed = self._outbox.held | session.core.ledger.segments.keys()
                self._outbox.put(Flushed(frozenset(map(str, owed))))

    def _refuse(self, end: Ending) -> None:
        metrics = self._services.metrics
        metrics.protocol_errors.labels(end.code).inc()
        if end.close == CLOSE_SERVER:
            metrics.errors.inc()
        if end.close == CLOSE_FULL:
            metrics.sessions_refused.labels(end.code).inc()
        if self._socket.client_state is WebSocketState.CONNECTED:
            self._outbox.put(Error(code=end.code, message=end.message, close=end.close))
        self._outbox.close(end.close, end.message)
