"""The same without ``async``: sessions that run on a thread of their own, for scripts, notebooks and thread pools.

Everything is named as in the asynchronous library, and events are the same objects. A program that already has an
event loop should use that library instead.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Literal, Self, Unpack

from speechpipe_client import connecting, transcribing
from speechpipe_client import session as asynchronous
from speechpipe_client.audio import Pace
from speechpipe_client.background import Background
from speechpipe_client.captions import CaptionForm
from speechpipe_client.errors import SessionEnded
from speechpipe_client.events import Event
from speechpipe_client.options import Credential, Limits, SessionOptions, Wishes
from speechpipe_client.sources import Audio
from speechpipe_client.transcript import Transcript


def connect(
    url: str | Sequence[str],
    options: SessionOptions | None = None,
    *,
    api_key: Credential | None = None,
    language: str = "auto",
    translate: str | Sequence[str] = (),
    audio: Audio | None = None,
    limits: Limits | None = None,
    **wishes: Unpack[Wishes],
) -> "Session":
    """A session on a gateway; use it with ``with``. Arguments and errors are those of ``speechpipe_client.connect``.

    Example::

        with connect("ws://127.0.0.1:5026/ws", language="en", audio=AudioFile.open("talk.wav")) as session:
            for event in session:
                if isinstance(event, Final):
                    print(event.text)

    ``api_key``, where it is a function, and an asynchronous ``audio`` are called on the session's thread.
    """
    return Session(
        connecting.connect(
            url,
            options,
            api_key=api_key,
            language=language,
            translate=translate,
            audio=audio,
            limits=limits,
            **wishes,
        )
    )


def transcribe_file(
    path: str | os.PathLike[str],
    url: str | Sequence[str],
    *,
    api_key: Credential | None = None,
    language: str = "auto",
    translate: str | Sequence[str] = (),
    pace: Pace | Literal["realtime", "fast"] = Pace.FAST,
    on_event: Callable[[Event], None] | None = None,
    limits: Limits | None = None,
    **wishes: Unpack[Wishes],
) -> Transcript:
    """Transcribe an audio file. Arguments and errors are those of ``speechpipe_client.transcribe_file``.

    ``on_event`` is called on another thread. May be called from many threads at once, and where a loop runs (Jupyter).
    """
    with Background() as background:
        return background.run(
            transcribing.transcribe_file(
                path,
                url,
                api_key=api_key,
                language=language,
                translate=translate,
                pace=pace,
                on_event=on_event,
                limits=limits,
                **wishes,
            )
        )


class Session:
    """Sends audio and yields events, as ``speechpipe_client.Session`` does; a context manager.

    Methods may be called from several threads: one may send while another iterates. Ctrl-C interrupts whatever waits,
    and the session goes on until the ``with`` block is left: its handler may still call ``stop`` and read the rest.
    """

    def __init__(self, session: asynchronous.Session) -> None:
        self._session = session
        self._background: Background | None = None
        self._waiting: Future[Event | None] | None = None

    def __enter__(self) -> Self:
        self._background = Background()
        try:
            self._background.run(self._session.__aenter__())
        except BaseException:
            self._background.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        background = self._open()
        try:
            background.run(self._session.__aexit__(kind, error, trace))
        finally:
            background.close()

    @property
    def session_id(self) -> str:
        """The id that the gateway gave to this session."""
        return self._session.session_id

    def captions_url(self, form: CaptionForm = "vtt", language: str | None = None) -> str:
        """A link to give to an audience, as of ``speechpipe_client.Session``."""
        return self._session.captions_url(form, language)

    def send(self, pcm: bytes) -> None:
        """Queue audio: whole frames in the declared format, any length. Waits while too much is queued.

        Raises:
            SessionEnded: after ``stop``, or when the gateway has closed the session.
            SpeechpipeError: what else ended the session.
        """
        self._open().run(self._session.send(pcm))

    def flush(self) -> None:
        """Ask for the final of what was said so far; the session goes on."""
        self._open().run(self._session.flush())

    def set_languages(self, language: str, translate: str | Sequence[str] = ()) -> None:
        """Change the languages from the next segment on.

        Raises:
            UnsupportedLanguage: a language that nobody knows.
        """
        self._open().run(self._session.set_languages(language, translate))

    def stop(self) -> None:
        """No more audio. Iteration goes on until every final and translation is there, and then ends."""
        self._open().run(self._session.stop())

    def next_event(self) -> Event | None:
        """The next event, or None when the session is over and everything was delivered.

        Raises:
            SpeechpipeError: what ended the session before its time.
        """
        background = self._open()
        if self._waiting is None:
            self._waiting = background.submit(self._session.next_event())
        # Kept while an interrupt passes through here, so that the event that it waits for is not lost.
        background.wait(self._waiting)
        waited, self._waiting = self._waiting, None
        return waited.result()

    def __iter__(self) -> Iterator[Event]:
        """Events in order, until the session is over; by one thread at a time."""
        while (event := self.next_event()) is not None:
            yield event

    def _open(self) -> Background:
        if self._background is None:
            raise SessionEnded("this session is not open: use it with `with`")
        return self._background
