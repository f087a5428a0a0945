"""A transcription session that survives lost connections."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Self

from speechpipe_client.captions import CaptionForm, captions_url
from speechpipe_client.connection import Traffic
from speechpipe_client.errors import ProtocolError, SessionEnded
from speechpipe_client.events import Event
from speechpipe_client.link import Link
from speechpipe_client.options import (
    Endpoint,
    Limits,
    SessionOptions,
    language_code,
    spoken_language,
    target_languages,
)
from speechpipe_client.sources import Audio, AudioSource, blocks_of
from speechpipe_common.wire import Flush, SetLangs, Stop


class Session:
    """Sends audio, yields events, and comes back after a lost connection without losing or repeating a final.

    Entering opens the session on the first gateway that takes it. Audio is kept until the gateway acknowledges it;
    on a lost connection the session is resumed on the next gateway of the list and the rest is sent again.

    Leaving before having read to the end gives up what is outstanding.

    What ends a session for good (``speechpipe_client.errors``) is raised from whatever comes first: entering,
    ``send``, iteration, or leaving.
    """

    def __init__(self, endpoint: Endpoint, options: SessionOptions, limits: Limits, audio: Audio | None = None) -> None:
        second = options.sample_rate * options.frame_bytes
        self._unsent_limit = int(limits.unsent_seconds * second)
        self._retained_limit = int(limits.retained_seconds * second)
        self._link = Link(endpoint, options, limits)
        self._task: asyncio.Task[None] | None = None
        self._audio = audio
        self._feeding: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def session_id(self) -> str:
        """The id that the gateway gave to this session; empty before it is open."""
        return self._link.opened.session_id if self._link.opened else ""

    def captions_url(self, form: CaptionForm = "vtt", language: str | None = None) -> str:
        """A link to give to an audience: the session's captions as a WebVTT or SRT file that grows.

        It opens nothing else, and stays good when the session comes back over another connection.

        Args:
            form: ``vtt`` or ``srt``.
            language: one of the session's translations; None for what is said.

        Raises:
            SessionEnded: the session has not been opened.
            ProtocolError: the gateway is older than such links.
            UnsupportedLanguage: no language goes by that name.
        """
        ready = self._link.opened
        if ready is None:
            raise SessionEnded("this session is not open: use it with `async with`")
        if not ready.captions_token:
            raise ProtocolError("the gateway gives no captions to an audience: it is older than this client")
        code = None if language is None else language_code(language)
        return captions_url(self._link.url, ready.session_id, ready.captions_token, form, code)

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
        if self._audio is not None:
            self._feeding = asyncio.create_task(self._feed(self._audio), name="speechpipe-audio")
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

    async def set_languages(self, language: str, translate: str | Sequence[str] = ()) -> None:
        """Change the languages from the next segment on.

        Raises:
            UnsupportedLanguage: a language that nobody knows.
            SpeechpipeError: as ``send``.
        """
        targets = target_languages(translate)
        await self._mark(SetLangs(source_language=spoken_language(language), target_languages=targets))

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

    async def next_event(self) -> Event | None:
        """The next event, or None when the session is over and everything was delivered.

        Raises:
            SpeechpipeError: what ended the session before its time.
            Exception: what the session's ``audio`` raised, after the events of all that came before.
        """
        await self._link.wait_until(lambda: len(self._link.events) > 0)
        event = self._link.events.get()
        if event is None:
            await self._raise_failure()
        else:
            self._link.notify()
        return event

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Events in order, until the session is over. A partial that was overtaken before it was read is left out.

        Raises:
            SpeechpipeError: as ``next_event``.
        """
        while (event := await self.next_event()) is not None:
            yield event

    async def _feed(self, audio: Audio) -> None:
        """Send all of it and stop; stop too when it fails, so that what was said before is still delivered."""
        with suppress(SessionEnded):
            try:
                send = self._keep_up if isinstance(audio, AudioSource) and audio.live else self.send
                async with aclosing(blocks_of(audio)) as blocks:
                    async for block in blocks:
                        await send(block)
            finally:
                if not self._link.over and not self._stopping:
                    await self.stop()

    async def _keep_up(self, pcm: bytes) -> None:
        """Queue audio of a source that goes on while the connection is lost: all that may be kept for a resume."""
        self.send_nowait(pcm)
        await self._link.wait_until(lambda: self._link.outbox.retained_bytes <= self._retained_limit)

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
        """Raise what ended the session, or its audio, before their time."""
        if self._task is not None and not self._task.cancelled():
            await self._task
        if self._feeding is not None and self._feeding.done() and not self._feeding.cancelled():
            await self._feeding

    async def _abandon(self) -> None:
        tasks = [task for task in (self._feeding, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
