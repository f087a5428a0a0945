"""One language's subtitle: broken into rows by Qt, of which the last ones are shown."""

from typing import Final

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontMetricsF,
    QPainter,
    QPainterPath,
    QTextCharFormat,
    QTextLayout,
    QTextOption,
)

from speechpipe_client.desktop.captions import Line

FAINT: Final = 0.55
"""Opacity of text that may still change."""
PADDING_X: Final = 0.6
PADDING_Y: Final = 0.18
"""Around the text, in heights of a row."""


class SubtitleText:
    """Lays a line out once, for as often as it is painted.

    Args:
        line: what to show.
        font: of the text.
        width: in pixels, padding included.
        rows: that may be shown; the newest are.
        colour: of settled text.
    """

    def __init__(self, line: Line, font: QFont, width: float, rows: int, colour: QColor) -> None:
        self._row_height = QFontMetricsF(font).height()
        self._pad_x = self._row_height * PADDING_X
        self._layout = QTextLayout(line.text, font)
        self._layout.setTextOption(_centred())
        self._layout.setFormats(_formats(line, colour))
        self._layout.beginLayout()
        top = 0.0
        while (row := self._layout.createLine()).isValid():
            row.setLineWidth(width - 2 * self._pad_x)
            row.setPosition(QPointF(self._pad_x, top))
            top += self._row_height
        self._layout.endLayout()
        self._first = max(0, self._layout.lineCount() - rows)
        self.shown = self._layout.lineCount() - self._first

    @property
    def row_height(self) -> float:
        """In pixels."""
        return self._row_height

    def paint(self, painter: QPainter, bottom: float, backdrop: QColor) -> None:
        """Draw the shown rows above ``bottom``, on a backdrop as wide as each."""
        top = bottom - self.shown * self._row_height
        origin = QPointF(0.0, top - self._first * self._row_height)
        rows = [self._layout.lineAt(index) for index in range(self._first, self._layout.lineCount())]
        pad_y = self._row_height * PADDING_Y / 2
        behind = QPainterPath()
        behind.setFillRule(Qt.FillRule.WindingFill)  # boxes overlap, and no part shall be darker
        for row in rows:
            box = row.naturalTextRect().translated(origin).adjusted(-self._pad_x, -pad_y, self._pad_x, pad_y)
            behind.addRoundedRect(box, self._row_height / 4, self._row_height / 4)
        painter.fillPath(behind, backdrop)
        for row in rows:
            row.draw(painter, origin)


def _centred() -> QTextOption:
    option = QTextOption(Qt.AlignmentFlag.AlignHCenter)
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    return option


def _formats(line: Line, colour: QColor) -> list[QTextLayout.FormatRange]:
    faint = QColor(colour)
    faint.setAlphaF(colour.alphaF() * FAINT)
    solid_length = _utf16_length(line.solid)
    return [
        _range(0, solid_length, colour),
        _range(solid_length, _utf16_length(line.faint), faint),
    ]


def _range(start: int, length: int, colour: QColor) -> QTextLayout.FormatRange:
    styled = QTextCharFormat()
    styled.setForeground(QBrush(colour))
    made = QTextLayout.FormatRange()
    made.start, made.length, made.format = start, length, styled
    return made


def _utf16_length(text: str) -> int:
    """Qt counts UTF-16 units, Python characters."""
    return len(text.encode("utf-16-le")) // 2
