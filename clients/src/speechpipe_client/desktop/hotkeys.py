"""Key combinations that work whichever window has the focus."""

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from typing import Any, Final

from speechpipe_client.desktop.chords import RELEASE_SECONDS, BadChord, Chord, pynput_name
from speechpipe_client.desktop.typists import load_keyboard

_STOP_SECONDS: Final = 2.0
_SOON_SECONDS: Final = RELEASE_SECONDS * 1.5


def parse_keys(text: str) -> frozenset[Hashable]:
    """The keys of a combination, as pynput's listener tells of them; none where keys cannot be listened to.

    Raises:
        BadChord: it is no combination, or has a key that pynput does not know.
    """
    name = pynput_name(text)
    keyboard = load_keyboard()
    if keyboard is None:
        return frozenset()
    try:
        return frozenset(keyboard.HotKey.parse(name))
    except ValueError as error:
        raise BadChord(f"{text!r} is no key combination: {error}; write it like Ctrl+Alt+Space") from error


class Hotkeys:
    """Listens to the keyboard through pynput, in its thread.

    Args:
        chords: for each combination what to call when it is pressed, and when it is let go.

    Raises:
        BadChord: a combination is none, or has a key that the keyboard library does not know.
    """

    def __init__(self, chords: Mapping[str, tuple[Callable[[], None], Callable[[], None]]]) -> None:
        self._keyboard = load_keyboard()
        self._listener: Any = None
        self._lock = threading.Lock()
        self._chords: list[tuple[Chord, Callable[[], None], Callable[[], None]]] = []
        if self._keyboard is not None:
            self._chords = [(Chord(parse_keys(text)), *calls) for text, calls in chords.items() if text]

    def start(self) -> None:
        """Begin to listen; nothing where that is not possible."""
        if self._keyboard is not None:
            self._listener = self._keyboard.Listener(on_press=self._pressed, on_release=self._released)
            self._listener.start()

    def close(self) -> None:
        """Listen no more."""
        if self._listener is not None:
            # One that has just ended by itself has closed its connection to the screen, and each system's library says
            # so with an error of its own.
            with suppress(Exception):
                self._listener.stop()
            self._listener.join(_STOP_SECONDS)

    def _pressed(self, key: Any) -> None:  # noqa: ANN401 - pynput has no types
        with self._lock:
            began = [begin for chord, begin, _ in self._chords if chord.pressed(self._listener.canonical(key))]
        for begin in began:
            begin()

    def _released(self, key: Any) -> None:  # noqa: ANN401 - pynput has no types
        with self._lock:
            now, let_go = time.monotonic(), self._listener.canonical(key)
            may_be_over = [chord.released(let_go, now) for chord, _, _ in self._chords]
        if any(may_be_over):
            self._look()
            threading.Timer(_SOON_SECONDS, self._look).start()

    def _look(self) -> None:
        with self._lock:
            ended = [end for chord, _, end in self._chords if chord.ended(time.monotonic())]
        for end in ended:
            end()
