"""Where the subtitles stand on the screens. Pure; rectangles are (left, top, width, height) in pixels."""

from collections.abc import Sequence
from typing import Final

Rect = tuple[int, int, int, int]

_WIDTH_SHARE: Final = 0.6
_RAISED_SHARE: Final = 0.06
"""Of the screen's height, between its lower edge and the subtitles."""
_VISIBLE: Final = 80
"""Pixels that must be on a screen, or nobody could take hold of them."""


def place(screens: Sequence[Rect], height: int, remembered: tuple[int, int] | None, wished_width: int | None) -> Rect:
    """Rectangle of the subtitles.

    Args:
        screens: usable parts of the screens, the main one first; at least one.
        height: of the subtitles.
        remembered: left and bottom edge of last time; not used when no screen shows them any more.
        wished_width: of last time; None for three fifths of the screen.
    """
    left, top, screen_width, screen_height = screens[0]
    width = min(wished_width or round(screen_width * _WIDTH_SHARE), screen_width)
    if remembered is not None:
        wanted = (remembered[0], remembered[1] - height, width, height)
        if any(_seen(wanted, screen) for screen in screens):
            return wanted
    raised = round(screen_height * _RAISED_SHARE)
    return left + (screen_width - width) // 2, top + screen_height - raised - height, width, height


def _seen(rect: Rect, screen: Rect) -> bool:
    across = min(rect[0] + rect[2], screen[0] + screen[2]) - max(rect[0], screen[0])
    down = min(rect[1] + rect[3], screen[1] + screen[3]) - max(rect[1], screen[1])
    return across >= min(_VISIBLE, rect[2]) and down >= min(_VISIBLE, rect[3])
