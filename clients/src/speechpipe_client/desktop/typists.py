"""Ways to bring text into the focused window, and which of them this desktop has."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

from speechpipe_client.desktop.desk import Desk, PlainDesk, make_desk
from speechpipe_client.desktop.settings import Typing
from speechpipe_client.errors import SpeechpipeError

Way = Literal["pynput", "xdotool", "wtype", "clipboard"]

_PROGRAM_SECONDS: Final = 30.0
_COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "xdotool": ("xdotool", "type", "--delay", "1", "--file", "-"),
    "wtype": ("wtype", "-"),
}


class TypingError(SpeechpipeError):
    """Text could not be brought into a window; it is on the clipboard."""


class NoWayError(TypingError):
    """This desktop lets no program type."""


class Typist(Protocol):
    """Brings text into the focused window."""

    def type(self, text: str) -> None:
        """Return when it is there, as far as that can be known.

        Raises:
            TypingError: it is not.
        """


def choose_way(platform: str, environ: Mapping[str, str], has: Callable[[str], bool]) -> Way:
    """How keys are typed; ``has`` says whether a program or module of that name is there.

    On Wayland only a compositor that lets wtype in takes keys from programs; pynput would reach X11 windows alone.
    """
    if platform != "linux":
        return "pynput" if has("pynput") else "clipboard"
    if environ.get("WAYLAND_DISPLAY"):
        return "wtype" if has("wtype") else "clipboard"
    if not environ.get("DISPLAY"):
        return "clipboard"
    if has("pynput"):
        return "pynput"
    return "xdotool" if has("xdotool") else "clipboard"


def is_there(name: str) -> bool:
    """Whether a program, or pynput with what it needs, is there."""
    if name == "pynput":
        return load_keyboard() is not None
    return shutil.which(name) is not None


def load_keyboard() -> Any | None:  # noqa: ANN401 - the package has no types
    """Pynput's module for the keyboard; None where it is missing or finds no display."""
    try:
        from pynput import keyboard
    except ImportError:
        return None
    return keyboard


class KeyTypist:
    """Presses keys through pynput: XTEST on X11, SendInput on Windows, Quartz on macOS."""

    def __init__(self) -> None:
        from pynput import keyboard

        self._keyboard: Any = keyboard
        self._controller = self._keyboard.Controller()

    def type(self, text: str) -> None:
        """Press the keys of each character.

        Raises:
            TypingError: a character has no key.
        """
        try:
            self._controller.type(text)
        except (self._keyboard.Controller.InvalidCharacterException, ValueError) as error:
            raise TypingError(f"no key types this: {error}") from error

    def paste(self) -> None:
        """Press what pastes: Shift+Insert does in terminals, too; Cmd+V on macOS."""
        key = self._keyboard.Key
        if sys.platform == "darwin":
            with self._controller.pressed(key.cmd):
                self._controller.tap("v")
            return
        with self._controller.pressed(key.shift):
            self._controller.tap(key.insert)


class ProgramTypist:
    """Hands text to a program: xdotool on X11, wtype on Wayland."""

    def __init__(self, program: str) -> None:
        self._command = _COMMANDS[program]

    def type(self, text: str) -> None:
        """Run the program to its end.

        Raises:
            TypingError: it says that it cannot.
        """
        self._run(self._command, text)

    def paste(self) -> None:
        """Press Shift+Insert.

        Raises:
            TypingError: it says that it cannot.
        """
        if self._command[0] == "xdotool":
            self._run(("xdotool", "key", "shift+Insert"), "")
        else:
            self._run(("wtype", "-M", "shift", "-k", "Insert", "-m", "shift"), "")

    def _run(self, command: Sequence[str], text: str) -> None:
        try:
            subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=_PROGRAM_SECONDS)  # noqa: S603 - our own arguments
        except subprocess.CalledProcessError as error:
            raise TypingError(f"{command[0]} cannot type: {error.stderr.decode(errors='replace').strip()}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise TypingError(f"{command[0]} cannot type: {error}") from error


class PasteTypist:
    """Puts text on the clipboard and lets the focused window paste it.

    Args:
        offer: puts text on the clipboard, runs the function it is given, and says whether somebody took the text.
        press: presses what pastes.
    """

    def __init__(self, offer: Callable[[str, Callable[[], None]], bool], press: Callable[[], None]) -> None:
        self._offer = offer
        self._press = press

    def type(self, text: str) -> None:
        """Paste.

        Raises:
            TypingError: the window did not ask for the text.
        """
        if not self._offer(text, self._press):
            raise TypingError("the window took no text from the clipboard")


class NoTypist:
    """A desktop that lets no program type."""

    def type(self, text: str) -> None:
        """Never.

        Raises:
            NoWayError: always.
        """
        raise NoWayError("no program may type into windows of this desktop")


@dataclass(frozen=True, slots=True)
class Writer:
    """Types each text in the way that brings it over unchanged: keys where the keyboard has them all, else pasting.

    ``mode`` is asked each time: ``keys`` and ``clipboard`` leave no choice.
    """

    desk: Desk
    keys: Typist
    paste: Typist
    mode: Callable[[], Typing]

    def type(self, text: str) -> None:
        """Type.

        Raises:
            TypingError: it is not in the window.
        """
        mode = self.mode()
        if mode == "keys" or (mode == "auto" and self.desk.types(text)):
            self.keys.type(text)
        else:
            self.paste.type(text)


def make_writer(
    way: Way, mode: Callable[[], Typing], offer: Callable[[str, Callable[[], None]], bool]
) -> tuple[Desk, Writer]:
    """What types in a way, and the desk that it asks; ``offer`` as ``PasteTypist`` wants it.

    Raises:
        OSError: the display went away.
    """
    if way == "clipboard":
        none = NoTypist()
        return PlainDesk(), Writer(PlainDesk(), none, none, mode)
    keys = KeyTypist() if way == "pynput" else ProgramTypist(way)
    desk = PlainDesk() if way == "wtype" else make_desk()
    return desk, Writer(desk, keys, PasteTypist(offer, keys.paste), mode)
