"""Subtitles over all windows: without a frame, always on top, and clicks go through them."""

from collections.abc import Callable, Sequence
from typing import Final

from PySide6.QtCore import QPoint, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QWidget

from speechpipe_client.desktop.captions import Line
from speechpipe_client.desktop.notices import State, Status
from speechpipe_client.desktop.placement import Rect, place
from speechpipe_client.desktop.settings import Settings
from speechpipe_client.desktop.subtitle_text import SubtitleText

SPOKEN: Final = QColor(255, 255, 255)
TRANSLATED: Final = QColor(255, 224, 130)
TROUBLE: Final = QColor(255, 171, 145)
NEWS: Final = QColor(190, 220, 255)
SAMPLE: Final = "Here the subtitles stand."
HINT: Final = "Drag to move, turn the wheel for the width; {keys} when done."

_GAP: Final = 0.3
"""Between languages, in heights of a row."""
_SMALL: Final = 0.65
"""Size of sentences about the connection, against that of the subtitles."""
_WIDTH_STEP: Final = 40

_FLAGS: Final = (
    Qt.WindowType.FramelessWindowHint
    | Qt.WindowType.WindowStaysOnTopHint
    | Qt.WindowType.Tool
    | Qt.WindowType.WindowDoesNotAcceptFocus
    | Qt.WindowType.NoDropShadowWindowHint
    | Qt.WindowType.WindowTransparentForInput
)


class Overlay(QWidget):
    """Shows what it is given.

    Args:
        settings: font, rows, opacity and place.
        on_moved: called with the left and bottom edge and the width after somebody moved it.
    """

    def __init__(self, settings: Settings, on_moved: Callable[[tuple[int, int], int], object]) -> None:
        super().__init__(None, _FLAGS)
        self.setAttribute(Qt.WidgetAttribute.WA_TranslucentBackground)
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setWindowTitle("Speechpipe subtitles")
        self._settings = settings
        self._on_moved = on_moved
        self._lines: tuple[Line, ...] = ()
        self._told: Status | None = None
        self._texts: list[SubtitleText] = []
        self._grip: QPoint | None = None
        self._unlocked = False
        self.apply(settings)

    @property
    def unlocked(self) -> bool:
        """Whether it can be moved."""
        return self._unlocked

    def apply(self, settings: Settings) -> None:
        """Take on settings, the place among them."""
        self._settings = settings
        self._font = QFont(QGuiApplication.font().family(), settings.font_points)
        self._font.setWeight(QFont.Weight.DemiBold)
        sample = SubtitleText(Line("", "x"), self._font, 1000, 1, SPOKEN)
        languages = 1 + len(settings.targets)
        rows = languages * (settings.rows + _GAP) + 1 + _GAP
        screens = [_rect(screen.availableGeometry()) for screen in QGuiApplication.screens()]
        self.setGeometry(*place(screens, round(rows * sample.row_height), settings.place, settings.width))
        self._lay_out()

    def show_lines(self, lines: Sequence[Line], told: Status | None = None) -> None:
        """Show a line for each language, and under them a sentence about the connection; nothing where all is empty."""
        if (tuple(lines), told) != (self._lines, self._told):
            self._lines, self._told = tuple(lines), told
            self._lay_out()

    def unlock(self, unlocked: bool) -> None:
        """Let it be taken hold of and moved; or fix it, and let clicks through again."""
        self._unlocked = unlocked
        self._grip = None
        self.setCursor(Qt.CursorShape.SizeAllCursor if unlocked else Qt.CursorShape.ArrowCursor)
        if (window := self.windowHandle()) is not None:
            window.setFlag(Qt.WindowType.WindowTransparentForInput, not unlocked)
        self._lay_out()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw from below: what is said last stands where the eye is."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        backdrop = QColor(0, 0, 0)
        backdrop.setAlphaF(self._settings.opacity)
        if self._unlocked:
            painter.setPen(QPen(QColor(255, 255, 255, 160), 2, Qt.PenStyle.DashLine))
            painter.setBrush(QColor(20, 22, 28, 120))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(2, 2, -2, -2), 12, 12)
        painter.setPen(Qt.PenStyle.NoPen)
        bottom = float(self.height()) - (self._texts[-1].row_height * _GAP if self._texts else 0)
        for text in reversed(self._texts):
            text.paint(painter, bottom, backdrop)
            bottom -= (text.shown + _GAP) * text.row_height
        painter.end()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of it."""
        if self._unlocked and event.button() is Qt.MouseButton.LeftButton:
            self._grip = event.globalPosition().toPoint() - self.pos()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move it."""
        if self._grip is not None:
            self.move(event.globalPosition().toPoint() - self._grip)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let it go."""
        if self._grip is not None:
            self._grip = None
            self._tell_place()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Make it wider or narrower, about its middle."""
        if not self._unlocked:
            return
        step = _WIDTH_STEP if event.angleDelta().y() > 0 else -_WIDTH_STEP
        width = max(200, self.width() + step)
        self.setGeometry(self.x() + (self.width() - width) // 2, self.y(), width, self.height())
        self._tell_place()

    def _tell_place(self) -> None:
        self._on_moved((self.x(), self.y() + self.height()), self.width())
        self._lay_out()

    def _lay_out(self) -> None:
        rows, told = self._settings.rows, self._told
        lines = self._lines
        if self._unlocked:
            lines = lines or (Line("", SAMPLE),) * (1 + len(self._settings.targets))
            told = Status(State.IDLE, HINT.format(keys=self._settings.move_keys or "the menu"))
        shown = [
            SubtitleText(line, self._font, self.width(), rows, TRANSLATED if index else SPOKEN)
            for index, line in enumerate(lines)
            if line.text.strip()
        ]
        if told is not None:
            small = QFont(self._font)
            small.setPointSizeF(self._font.pointSizeF() * _SMALL)
            colour = TROUBLE if told.trouble else NEWS
            shown.append(SubtitleText(Line("", told.sentence), small, self.width(), 2, colour))
        self._texts = shown
        self.update()


def _rect(rect: QRect) -> Rect:
    return rect.left(), rect.top(), rect.width(), rect.height()
