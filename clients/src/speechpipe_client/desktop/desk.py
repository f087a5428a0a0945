"""What the typing must know of the desktop: where the caret is, which keys are held, what the keyboard can type."""

import sys
from typing import Any, Final, Protocol

from speechpipe_client.desktop.keyboard_map import KeyboardMap

_WINDOWS_MODIFIERS: Final = (0x10, 0x11, 0x12, 0x5B, 0x5C)
"""Virtual keys of Shift, Control, Alt and both Windows keys."""


class Desk(Protocol):
    """Asked before each piece is typed, from one thread."""

    def place(self) -> object:
        """The focused window, as a value to compare; None where that cannot be known."""

    def modifiers_held(self) -> bool:
        """Whether somebody holds Shift, Control, Alt or the like: keys typed now would be shortcuts."""

    def types(self, text: str) -> bool:
        """Whether keys can type the text."""


class PlainDesk:
    """A desktop that tells nothing, and types every character (macOS, wtype)."""

    def place(self) -> object:
        """Unknown."""
        return None

    def modifiers_held(self) -> bool:
        """Unknown, taken for no."""
        return False

    def types(self, text: str) -> bool:
        """Always."""
        return True


class X11Desk:
    """An X server, asked over a connection of its own.

    Raises:
        OSError: there is none. (python-xlib's own errors are no OSErrors; they are turned into one.)
    """

    def __init__(self) -> None:
        from Xlib import X, display, error

        try:
            self._display: Any = display.Display()
        except error.DisplayError as refused:
            raise OSError(str(refused)) from refused
        self._modifiers = X.ShiftMask | X.ControlMask | X.Mod1Mask | X.Mod4Mask
        self._lock = X.LockMask

    def place(self) -> object:
        """Number of the window that has the focus."""
        focus = self._display.get_input_focus().focus
        return getattr(focus, "id", focus)

    def modifiers_held(self) -> bool:
        """As the server sees it, keys that programs hold included."""
        return bool(self._mask() & self._modifiers)

    def types(self, text: str) -> bool:
        """By the keyboard's map as it is now: people change layouts."""
        info = self._display.display.info
        first, count = info.min_keycode, info.max_keycode - info.min_keycode + 1
        keys = [list(row) for row in self._display.get_keyboard_mapping(first, count)]
        return KeyboardMap(keys, locked=bool(self._mask() & self._lock)).types(text)

    def _mask(self) -> int:
        return int(self._display.screen().root.query_pointer().mask)


if sys.platform == "win32":
    import ctypes

    class WindowsDesk(PlainDesk):
        """Windows, whose SendInput types every character."""

        def place(self) -> object:
            """Handle of the foreground window."""
            return ctypes.windll.user32.GetForegroundWindow()

        def modifiers_held(self) -> bool:
            """As the keyboard is now."""
            return any(ctypes.windll.user32.GetAsyncKeyState(key) & 0x8000 for key in _WINDOWS_MODIFIERS)


def make_desk() -> Desk:
    """The one of this machine.

    Raises:
        OSError: Linux without an X server.
    """
    if sys.platform == "win32":
        return WindowsDesk()
    if sys.platform == "darwin":
        return PlainDesk()
    return X11Desk()
