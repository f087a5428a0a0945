"""A transcription session that survives lost connections: the library's front door."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Self

from speechpipe_client.connection import Traffic
from speechpipe_client.errors import SessionEnded
from speechpipe_client.inbox import Event
from speechpipe_client.link import Link
from speechpipe_client.options import Credential, Endpoint, Limits, SessionOptions
from speechpipe_common.wire import Flush, SetLangs, Stop


def connect(
    url: str | Sequence[str],
    options: SessionOptions | None = None,
    *,
    api_key: Credential | None = None,
    limits: Limits | None = None,
) -> "Session":
    """A session on the gateway at ``url`` (``ws://`` or ``wss://``), or on any of several; use it with ``async with``.

    Example::

        async with connect("ws://127.0.0.1:5026/ws", SessionOptions(source="en", targets=("es",))) as session:
            await session.send(pcm)
            await session.stop()
            async for event in session:
                print(event)

    ``api_key`` may be a token of an identity provider, and a function where that expires: a session that is resumed
    after hours needs a fresh one. It is called at each connection, and must answer at once.

    Raises:
        ValueError: no address at all.
    """
    urls = (url,) if isinstance(url, str) else tuple(url)
    if not urls:
        raise ValueError("give at least one gateway address")
    return Session(Endpoint(urls, api_key), options or SessionOptions(), limits or Limits())


class Session:
    """Sends audio, yields events, and comes back after a lost connection without losing or repeating a final.

    Entering opens the session on the first gateway that takes it. Audio is kept until the gateway acknowledges it;
    on a lost connection the session is resumed on the next gateway of the list and the rest is sent again.

    What ends a session for good (``speechpipe_client.errors``) is raised from whatever comes first: entering,
    ``send``, iteration, or leaving.
    """

    def __init__(self, endpoint: Endpoint, options: SessionOptions, limits: Limits) -> None:
        second = options.sample_rate * options.frame_bytes
        self._unsent_limit = int(limits.unsent_seconds * second)
        self._retained_limit = int(limits.retained_seconds * second)
        self._link = Link(endpoint, options, limits)
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def session_id(self) -> str:
        """The id that the gateway gave to this session; empty before it is open."""
        return self._link.opened.session_id if self._link.opened else ""

    @property
    def acknowledged(self) -> int:
        """Frame before which the gateway will not ask for audio again."""
        return self._link.outbox.acknowledged

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._link.run(), name="speechpipe-session")
        try:
            await self._link.wait_until(lambda: self._link.opened is not None)
            await self._refuse_when_over()
        except BaseException:
            await self._abandon()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._link.over and kind is None:
            await self._raise_failure()
        await self._abandon()

    async def send(self, pcm: bytes) -> None:
        """Queue audio: whole frames in the declared format, any length.

        Waits while more than ``Limits.unsent_seconds`` wait for the network or more than
        ``Limits.retained_seconds`` for the gateway's acknowledgement.

        Raises:
            SessionEnded: after ``stop``, or when the gateway has closed the session.
            SpeechpipeError: what else ended the session.
        """
        await self._refuse_when_over()
        self._link.outbox.append(pcm)
        self._link.notify()
        await self._link.wait_until(self._has_room)

    def send_nowait(self, pcm: bytes) -> None:
        """Queue audio however much is queued, for a source that can't be made to wait.

        Raises:
            SessionEnded: the session is over, which iteration explains, or was stopped.
        """
        if self._task is None or self._link.over or self._stopping:
            raise SessionEnded("this session takes no audio: it is not open, over, or stopped")
        self._link.outbox.append(pcm)
        self._link.notify()

    async def flush(self) -> None:
        """Ask for the final of what was said so far; the session goes on."""
        await self._mark(Flush())

    async def set_languages(self, source: str, targets: Sequence[str] = ()) -> None:
        """Change the languages from the next segment on."""
        await self._mark(SetLangs(source_language=source, target_languages=tuple(targets)))

    async def stop(self) -> None:
        """No more audio. Iteration goes on until every final and translation is there, and then ends."""
        await self._mark(Stop())
        self._stopping = True

    @property
    def traffic(self) -> Traffic:
        """Bytes sent and received so far, over all connections."""
        return self._link.traffic

    def break_connection(self) -> None:
        """Break the connection as a lost network does, to rehearse it; the session comes back by itself."""
        self._link.break_connection()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events in order, until the session is over. A partial that was overtaken before it was read is left out."""
        while True:
            await self._link.wait_until(lambda: len(self._link.events) > 0)
            event = self._link.events.get()
            if event is None:
                await self._raise_failure()
                return
            self._link.notify()
            yield event

    def _has_room(self) -> bool:
        outbox = self._link.outbox
        return outbox.unsent_bytes <= self._unsent_limit and outbox.retained_bytes <= self._retained_limit

    async def _mark(self, message: Flush | SetLangs | Stop) -> None:
        await self._refuse_when_over()
        self._link.outbox.mark(message)
        self._link.notify()

    async def _refuse_when_over(self) -> None:
        if self._task is None:
            raise SessionEnded("this session is not open: use it with `async with`")
        if self._link.over:
            await self._raise_failure()
            raise SessionEnded("this session is over: open another one for more audio")
        if self._stopping:
            raise SessionEnded("this session was stopped: open another one for more audio")

    async def _raise_failure(self) -> None:
        if self._task is not None and not self._task.cancelled():
            await self._task

    async def _abandon(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
