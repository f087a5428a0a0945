"""Types finals one after another in a thread of its own, for windows answer when they like."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from speechpipe_client.desktop.desk import Desk
from speechpipe_client.desktop.spacing import Spacing
from speechpipe_client.desktop.typists import TypingError, Typist

_LOOK_SECONDS: Final = 0.02
_CLOSE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Piece:
    """A final to type."""

    text: str
    language: str


class TypingThread:
    """Takes finals in the order of speech.

    Args:
        make: makes the desk and the typist, in the thread that uses them.
        on_trouble: called in this thread with what could not be typed, and why.
    """

    def __init__(self, make: Callable[[], tuple[Desk, Typist]], on_trouble: Callable[[str, TypingError], None]) -> None:
        self._make = make
        self._on_trouble = on_trouble
        self._pieces: queue.SimpleQueue[Piece | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="speechpipe-typing", daemon=True)
        self._thread.start()

    def put(self, piece: Piece) -> None:
        """Type it after all that was put before."""
        self._pieces.put(piece)

    def close(self) -> None:
        """End the thread; what waits is not typed any more."""
        self._closing.set()
        self._pieces.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        desk, typist = self._make()
        spacing = Spacing()
        while (piece := self._pieces.get()) is not None and not self._closing.is_set():
            # Keys pressed while somebody still holds the push-to-talk keys would be shortcuts.
            while desk.modifiers_held() and not self._closing.wait(_LOOK_SECONDS):
                pass
            text = spacing.join(piece.text, piece.language, desk.place())
            if not text:
                continue
            try:
                typist.type(text)
            except TypingError as error:
                self._on_trouble(text, error)
