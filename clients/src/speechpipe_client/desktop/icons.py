"""The app's icon, drawn, with a dot that shows what is going on."""

from functools import cache
from typing import Final

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPen, QPixmap

from speechpipe_client.desktop.notices import State

COLOURS: Final = {
    State.IDLE: QColor("#8a93a6"),
    State.OPENING: QColor("#f2b134"),
    State.LISTENING: QColor("#e5484d"),
    State.LOST: QColor("#f2b134"),
    State.FINISHING: QColor("#3b82f6"),
}
_BACK: Final = QColor("#1f2a44")
_SIZES: Final = (16, 22, 24, 32, 48, 64, 128)


@cache
def icon(state: State) -> QIcon:
    """The icon in all usual sizes; only after Qt has begun."""
    made = QIcon()
    for size in _SIZES:
        made.addPixmap(_draw(size, state))
    return made


@cache
def dot(state: State, size: int = 12) -> QPixmap:
    """The dot alone."""
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(COLOURS[state])
    painter.drawEllipse(QRectF(1, 1, size - 2, size - 2))
    painter.end()
    return pixmap


def _draw(size: int, state: State) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.scale(size / 64, size / 64)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(_BACK)
    painter.drawRoundedRect(QRectF(2, 2, 60, 60), 15, 15)
    _draw_microphone(painter)
    if state is not State.IDLE:
        painter.setPen(QPen(_BACK, 4))
        painter.setBrush(COLOURS[state])
        painter.drawEllipse(QPointF(49, 49), 12, 12)
    painter.end()
    return pixmap


def _draw_microphone(painter: QPainter) -> None:
    white = QColor("white")
    painter.setBrush(white)
    painter.drawRoundedRect(QRectF(24, 11, 16, 26), 8, 8)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(white, 4, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap))
    painter.drawArc(QRectF(17, 17, 30, 28), 190 * 16, 160 * 16)
    painter.drawLine(QPointF(32, 45), QPointF(32, 52))
