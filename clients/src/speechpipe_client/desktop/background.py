"""The thread in which sound is recorded and the server is talked to, so that no window ever waits for either."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

from speechpipe_client.desktop import inputs, sentences
from speechpipe_client.desktop.conversation import Conversation, Wishes
from speechpipe_client.desktop.inputs import Input
from speechpipe_client.desktop.notices import Delivered, Notice, State, Status
from speechpipe_client.desktop.recording import Recording
from speechpipe_client.errors import SpeechpipeError

_CLOSE_SECONDS: Final = 5.0


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
        self._turn = asyncio.Lock()
        self._newest: Conversation | None = None
        self._wanted = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="speechpipe-background", daemon=True)
        self._thread.start()

    def listen(self, chosen: Input, wishes: Wishes) -> None:
        """Begin a stretch of speech."""
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
        self._wanted = True
        try:
            source = await asyncio.to_thread(inputs.open_source, chosen)
        except SpeechpipeError as error:
            self._fail(error, wishes)
            return
        recording = Recording(source, self._warn_of_silence if chosen.kind == "microphone" else lambda: None)
        conversation = self._newest = Conversation(recording, wishes, self._tell)
        if not self._wanted:  # let go while the device was opened
            conversation.finish()
        await asyncio.gather(recording.run(), self._caption(conversation, recording, wishes))

    async def _caption(self, conversation: Conversation, recording: Recording, wishes: Wishes) -> None:
        async with self._turn:
            try:
                await conversation.run()
            except SpeechpipeError as error:
                recording.stop()
                self._end(conversation)
                self._fail(error, wishes)
            else:
                self._end(conversation)
                self._tell(Delivered())
                if self._newest is None:
                    self._tell(Status(State.IDLE))

    def _end(self, conversation: Conversation) -> None:
        if self._newest is conversation:
            self._newest = None

    def _fail(self, error: SpeechpipeError, wishes: Wishes) -> None:
        sentence = sentences.of_failure(error, urls=wishes.urls, has_key=bool(wishes.api_key))
        self._tell(Delivered())
        self._tell(Status(State.IDLE if self._newest is None else State.OPENING, sentence, trouble=True))

    def _warn_of_silence(self) -> None:
        self._tell(Status(State.LISTENING, sentences.SILENT, trouble=True))

    async def _finish(self) -> None:
        self._wanted = False
        if self._newest is not None:
            self._newest.finish()

    async def _set_languages(self, source: str, targets: tuple[str, ...]) -> None:
        if self._newest is not None:
            with suppress(SpeechpipeError):  # it is over; ``run`` says why
                await self._newest.set_languages(source, targets)

    async def _stop_all(self) -> None:
        others = self._tasks - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        self._loop.stop()
