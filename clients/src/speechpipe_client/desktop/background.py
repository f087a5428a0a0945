"""The thread in which sound is recorded and the server is talked to, so that no window ever waits for either."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from speechpipe_client.desktop import inputs, sentences
from speechpipe_client.desktop.conversation import Conversation, Wishes
from speechpipe_client.desktop.inputs import Input
from speechpipe_client.desktop.notices import Delivered, Notice, State, Status
from speechpipe_client.desktop.recording import Recording
from speechpipe_client.errors import SpeechpipeError

_CLOSE_SECONDS: Final = 5.0


@dataclass(eq=False, slots=True)
class _Stretch:
    """From pressing the keys to letting them go, and on until its captions are there."""

    wishes: Wishes
    wanted: bool = True
    conversation: Conversation | None = None
    done: asyncio.Event = field(default_factory=asyncio.Event)

    def finish(self) -> None:
        self.wanted = False
        if self.conversation is not None:
            self.conversation.finish()


class Background:
    """An event loop of its own; every method may be called from any thread and returns at once.

    Stretches of speech are recorded when they are spoken, and captioned one after another: what was said first is
    captioned first, even when somebody speaks again before its last words came.

    Args:
        tell: called in this thread with all that happens; it must not wait.
    """

    def __init__(self, tell: Callable[[Notice], None]) -> None:
        self._tell = tell
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._newest: _Stretch | None = None
        self._state = State.IDLE
        self._thread = threading.Thread(target=self._loop.run_forever, name="speechpipe-background", daemon=True)
        self._thread.start()

    def listen(self, chosen: Input, wishes: Wishes) -> None:
        """Begin a stretch of speech; one that goes on is finished."""
        self._do(self._listen(chosen, wishes))

    def finish(self) -> None:
        """End the stretch; what was said is still captioned."""
        self._do(self._finish())

    def set_languages(self, source: str, targets: tuple[str, ...]) -> None:
        """Change the languages of the stretch, from the next segment on."""
        self._do(self._set_languages(source, targets))

    def close(self) -> None:
        """End everything at once, and the thread."""
        self._do(self._stop_all())
        self._thread.join(_CLOSE_SECONDS)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(self._own(work), self._loop)

    async def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _listen(self, chosen: Input, wishes: Wishes) -> None:
        await self._finish()
        before, stretch = self._newest, _Stretch(wishes)
        self._newest = stretch
        self._pass_on(stretch, Status(State.OPENING))
        try:
            await self._caption(stretch, chosen, before)
            self._end(stretch, Status(State.IDLE))
        except SpeechpipeError as error:
            sentence = sentences.of_failure(error, urls=wishes.urls, has_key=bool(wishes.api_key))
            self._end(stretch, Status(State.IDLE, sentence, trouble=True))
        finally:
            stretch.done.set()

    async def _caption(self, stretch: _Stretch, chosen: Input, before: _Stretch | None) -> None:
        """Record at once, and caption when the stretch before has its captions."""
        source = await asyncio.to_thread(inputs.open_source, chosen)

        def warn() -> None:
            if chosen.kind == "microphone":  # what a computer plays is silent at times
                self._pass_on(stretch, Status(self._state, sentences.SILENT, trouble=True))

        recording = Recording(source, warn)
        conversation = Conversation(recording, stretch.wishes, lambda notice: self._pass_on(stretch, notice))
        stretch.conversation = conversation
        if not stretch.wanted:  # let go while the device was opened
            conversation.finish()
        recorded = asyncio.create_task(recording.run())
        try:
            if before is not None:
                await before.done.wait()
            await conversation.run()
        finally:
            recording.stop()
            await recorded

    def _end(self, stretch: _Stretch, status: Status) -> None:
        self._tell(Delivered())
        self._pass_on(stretch, status)
        if self._newest is stretch:
            self._newest = None

    def _pass_on(self, stretch: _Stretch, notice: Notice) -> None:
        """Tell it; the state is that of the newest stretch, whatever becomes of an older one."""
        if isinstance(notice, Status):
            if self._newest is stretch:
                self._state = notice.state
            elif not notice.sentence:
                return
            notice = replace(notice, state=self._state)
        self._tell(notice)

    async def _finish(self) -> None:
        if self._newest is not None and self._newest.wanted:
            self._newest.finish()

    async def _set_languages(self, source: str, targets: tuple[str, ...]) -> None:
        stretch = self._newest
        if stretch is None:
            return
        stretch.wishes = replace(stretch.wishes, source=source, targets=targets)
        if stretch.conversation is not None:
            with suppress(SpeechpipeError):  # it is over; ``run`` says why
                await stretch.conversation.set_languages(source, targets)

    async def _stop_all(self) -> None:
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()
