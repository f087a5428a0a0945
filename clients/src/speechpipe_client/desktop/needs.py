"""Says in a sentence what is missing before anything of Qt is imported."""

import importlib
import os
import sys
from collections.abc import Mapping

from speechpipe_client.errors import SpeechpipeError

INSTALL = "pip install 'speechpipe-client[desktop]'"
SYSTEM_LIBRARIES = (
    "libegl1 libgl1 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 "
    "libxcb-render-util0 libxcb-shape0 libdbus-1-3 libfontconfig1"
)


class DesktopError(SpeechpipeError):
    """The desktop app cannot run here."""


def check_modules() -> None:
    """Import Qt once.

    Raises:
        DesktopError: PySide6, or a library of the system below it, is not installed.
    """
    try:
        importlib.import_module("PySide6.QtWidgets")
    except ModuleNotFoundError as error:
        raise DesktopError(f"the desktop app needs PySide6: {INSTALL}") from error
    except ImportError as error:
        raise DesktopError(f"Qt cannot be loaded ({error}); Debian, Ubuntu: apt install {SYSTEM_LIBRARIES}") from error


def prepare_display(environ: Mapping[str, str], platform: str = sys.platform) -> dict[str, str]:
    """What to set in the environment before Qt starts.

    A Wayland window can neither place itself nor stay above others; one of XWayland can, so that is preferred.

    Raises:
        DesktopError: Linux without any display.
    """
    if platform != "linux" or "QT_QPA_PLATFORM" in environ:
        return {}
    if environ.get("DISPLAY"):
        return {"QT_QPA_PLATFORM": "xcb"}
    if environ.get("WAYLAND_DISPLAY"):
        return {}
    raise DesktopError("there is no display: DISPLAY and WAYLAND_DISPLAY are not set; start it in a desktop session")


def check_x11(name: str) -> None:
    """Connect to an X server once: Qt would end the process where that fails.

    Raises:
        DesktopError: it does not answer, or does not let this user in; or pynput is missing.
    """
    try:
        from Xlib import display, error
    except ModuleNotFoundError as missing:
        raise DesktopError(f"the desktop app needs pynput: {INSTALL}") from missing
    try:
        display.Display(name).close()
    except (error.DisplayError, OSError) as refused:
        raise DesktopError(f"the display {name!r} cannot be used: {refused}; DISPLAY names it") from refused


def prepare() -> None:
    """Make ready for Qt.

    Raises:
        DesktopError: something is missing; the message says what to install or set.
    """
    check_modules()
    os.environ.update(prepare_display(os.environ))
    if os.environ.get("QT_QPA_PLATFORM") == "xcb":
        check_x11(os.environ.get("DISPLAY", ""))
