"""Puts the parts together: settings, tray, overlay, keys, the background thread and the typing thread."""

import os
import sys
import time
from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QObject, QTimer, Signal
from PySide6.QtWidgets import QApplication, QSystemTrayIcon

from speechpipe_client import Final as FinalEvent
from speechpipe_client.desktop import inputs, sentences
from speechpipe_client.desktop.background import Background
from speechpipe_client.desktop.chords import BadChord
from speechpipe_client.desktop.clipboard import Clipboard
from speechpipe_client.desktop.conversation import Wishes
from speechpipe_client.desktop.dictation import Dictation
from speechpipe_client.desktop.hotkeys import Hotkeys, parse_keys
from speechpipe_client.desktop.interrupts import Interrupts
from speechpipe_client.desktop.needs import DesktopError
from speechpipe_client.desktop.notices import Delivered, Heard, Notice, State, Status
from speechpipe_client.desktop.overlay import Overlay
from speechpipe_client.desktop.settings import Settings, SettingsStore
from speechpipe_client.desktop.settings_window import SettingsWindow
from speechpipe_client.desktop.tray import Actions, Tray, TrayMenu
from speechpipe_client.desktop.typing_thread import Piece, TypingThread
from speechpipe_client.desktop.typists import NoWayError, TypingError, choose_way, is_there, make_writer

_LOOK_MS: Final = 250
"""How often old subtitles are looked for."""
_KEYS: Final = ("talk_keys", "toggle_keys", "move_keys")
_ACTIVE: Final = frozenset({State.OPENING, State.LISTENING, State.LOST})


class DesktopApp(QObject):
    """The app; everything here runs in Qt's thread.

    Args:
        store: settings.
        say: told every sentence and state, for the terminal.
    """

    _noticed = Signal(object)
    _called = Signal(object)

    def __init__(self, store: SettingsStore, say: Callable[[str], None]) -> None:
        super().__init__()
        self._store = store
        self._say = say
        self._dictation = Dictation()
        self._dictation.choose(store.current.targets)
        self._clipboard = Clipboard()
        self._noticed.connect(self._take)
        self._called.connect(lambda work: work())
        self._background = Background(self._noticed.emit)
        way = choose_way(sys.platform, os.environ, is_there)
        self._typing = TypingThread(
            lambda: make_writer(way, lambda: self._store.current.typing, self._clipboard.offer),
            lambda text, error: self._called.emit(lambda: self._not_typed(text, error)),
        )
        self.overlay = Overlay(store.current, lambda place, width: self.change(place=place, width=width))
        self.menu = TrayMenu(Actions(self.toggle, self.change, self.unlock, self.open_settings, QApplication.quit))
        self.menu.inputs = inputs.all_inputs()
        self.menu.aboutToShow.connect(self._open_menu)
        self.tray = Tray(self.menu, self.toggle) if QSystemTrayIcon.isSystemTrayAvailable() else None
        self.window = SettingsWindow(store.current, self.menu.inputs, self.change, self.toggle, self._window_closed)
        self._hotkeys = self._listen_to_keys(store.current)
        self._clock = QTimer(self, interval=_LOOK_MS)
        self._clock.timeout.connect(self._show)
        self._clock.start()

    def begin(self, *, listening: bool) -> None:
        """Show what is to be seen at first."""
        self.overlay.setVisible(self._store.current.subtitles)
        self._refresh_menu()
        if self.tray is not None:
            self.tray.show()
        if self.tray is None or not self._store.path.exists():
            self.open_settings()
        if listening:
            self.listen()

    def listen(self) -> None:
        """Begin to listen; nothing while it is done already."""
        if self._dictation.state in _ACTIVE:
            return
        now = self._store.current
        wishes = Wishes(now.urls, now.api_key, now.source, now.targets)
        self._take_status(Status(State.OPENING))
        self._background.listen(inputs.parse(now.input), wishes)

    def finish(self) -> None:
        """Listen no more; the last captions still come."""
        if self._dictation.state in _ACTIVE:
            self._background.finish()

    def toggle(self) -> None:
        """Begin, or end."""
        if self._dictation.state in _ACTIVE:
            self.finish()
        else:
            self.listen()

    def unlock(self) -> None:
        """Let the subtitles be moved, or fix them."""
        if self._store.current.subtitles:
            self.overlay.unlock(not self.overlay.unlocked)

    def open_settings(self) -> None:
        """Show the window."""
        self.window.show()
        self.window.raise_()
        self.window.activateWindow()

    def change(self, **fields: object) -> str:
        """Change settings; what is wrong with them, or nothing."""
        before = self._store.current
        try:
            for keys in filter(None, map(fields.get, _KEYS)):
                parse_keys(str(keys))
            after = self._store.change(**fields)
            if chosen := {after.source, *after.targets} - {before.source, *before.targets, "auto"}:
                after = self._store.change(recent=tuple(dict.fromkeys((*sorted(chosen), *after.recent)))[:6])
            self._apply(before, after)
        except (DesktopError, BadChord) as error:
            self._take_status(Status(self._dictation.state, str(error), trouble=True))
            return str(error)
        return ""

    def close(self) -> None:
        """End the threads, whatever they do."""
        self._hotkeys.close()
        self._background.close()
        self._typing.close()

    def _apply(self, before: Settings, after: Settings) -> None:
        self._dictation.choose(after.targets)
        if (before.source, before.targets) != (after.source, after.targets):
            self._background.set_languages(after.source, after.targets)
        if (before.input, before.urls, before.api_key) != (after.input, after.urls, after.api_key):
            self._listen_anew()
        self.overlay.apply(after)
        self.overlay.setVisible(after.subtitles)
        self.window.apply(after)
        if any(getattr(before, name) != getattr(after, name) for name in _KEYS):
            self._hotkeys.close()
            self._hotkeys = self._listen_to_keys(after)

    def _listen_anew(self) -> None:
        """From another device or on another server: what was said before is still captioned."""
        if self._dictation.state in _ACTIVE:
            self._dictation.state = State.IDLE
            self.listen()

    def _listen_to_keys(self, settings: Settings) -> Hotkeys:
        """The hotkeys; combinations that are none are said, and not listened to."""

        def in_main(work: Callable[[], None]) -> Callable[[], None]:
            return lambda: self._called.emit(work)

        def nothing() -> None:
            pass

        made = Hotkeys(
            {
                settings.talk_keys: (in_main(self.listen), in_main(self.finish)),
                settings.toggle_keys: (in_main(self.toggle), nothing),
                settings.move_keys: (in_main(self.unlock), nothing),
            }
        )
        made.start()
        return made

    def _take(self, notice: Notice) -> None:
        now = time.monotonic()
        match notice:
            case Status():
                self._take_status(notice)
            case Heard(event):
                self._type(self._dictation.take(event, now))
            case Delivered():
                self._type(self._dictation.delivered())
        self._show()

    def _take_status(self, status: Status) -> None:
        if status.sentence or status.state is not self._dictation.state:
            self._say(status.sentence or f"{status.state}")
        self._dictation.take_status(status, time.monotonic())
        self.window.show_status(status)
        if self.tray is not None:
            self.tray.show_status(status)
        self._refresh_menu()

    def _type(self, finals: list[FinalEvent]) -> None:
        if self._store.current.types:
            for final in finals:
                self._typing.put(Piece(final.text, final.language))

    def _not_typed(self, text: str, error: TypingError) -> None:
        self._clipboard.leave(text)
        sentence = sentences.COPIED if isinstance(error, NoWayError) else sentences.NOT_TAKEN
        self._take_status(Status(self._dictation.state, sentence, trouble=True))

    def _show(self) -> None:
        self.overlay.show_lines(*self._dictation.shown(time.monotonic()))

    def _open_menu(self) -> None:
        """Devices come and go: they are looked for when somebody opens the menu."""
        self.menu.inputs = inputs.all_inputs()
        self._refresh_menu()

    def _refresh_menu(self) -> None:
        now = self._store.current
        self.menu.refresh(now, now.recent, self._dictation.state, unlocked=self.overlay.unlocked)

    def _window_closed(self) -> None:
        if self.tray is None:
            QApplication.quit()


def run(store: SettingsStore, say: Callable[[str], None], *, listening: bool) -> bool:
    """Run until somebody quits; True when that was a signal such as Ctrl-C.

    Args:
        store: settings.
        say: told every sentence, for the terminal.
        listening: begin at once.
    """
    application = QApplication(["speechpipe"])
    application.setApplicationDisplayName("Speechpipe")
    application.setDesktopFileName("speechpipe")
    application.setQuitOnLastWindowClosed(False)
    interrupts = Interrupts(application.quit)
    app = DesktopApp(store, say)
    try:
        app.begin(listening=listening)
        application.exec()
    finally:
        interrupts.close()
        app.close()
    return interrupts.came
