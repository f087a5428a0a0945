"""Small widgets of the settings."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QComboBox, QCompleter, QLabel, QSizePolicy


def hint(text: str) -> QLabel:
    """A line in small, pale letters."""
    label = QLabel(text, wordWrap=True)
    font = label.font()
    font.setPointSizeF(font.pointSizeF() * 0.9)
    label.setFont(font)
    palette = label.palette()
    palette.setColor(QPalette.ColorRole.WindowText, palette.color(QPalette.ColorRole.PlaceholderText))
    label.setPalette(palette)
    return label


class SearchBox(QComboBox):
    """A choice among many names; what is typed finds those that hold it anywhere.

    Args:
        choices: code and name of each.
        on_choice: called with the code that somebody chose.
    """

    def __init__(self, choices: Sequence[tuple[str, str]], on_choice: Callable[[str], None]) -> None:
        super().__init__()
        for code, name in choices:
            self.addItem(name, code)
        self.setEditable(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        completer = QCompleter([name for _, name in choices], self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self.setCompleter(completer)
        self._on_choice = on_choice
        self._chosen = self.code
        self.activated.connect(lambda _: self._settle())
        if (edit := self.lineEdit()) is not None:
            edit.editingFinished.connect(self._settle)

    @property
    def code(self) -> str:
        """What is chosen."""
        return str(self.currentData())

    def choose(self, code: str) -> None:
        """Show a choice; one that is not among them is added."""
        if (index := self.findData(code)) < 0:
            self.addItem(code, code)
            index = self.count() - 1
        self.setCurrentIndex(index)
        self._chosen = code

    def _settle(self) -> None:
        """Take what is written, by name; anything else goes back to what was chosen before."""
        index = self.findText(self.currentText().strip(), Qt.MatchFlag.MatchFixedString)
        if index < 0:
            self.choose(self._chosen)
            return
        self.setCurrentIndex(index)
        if self.code != self._chosen:
            self._chosen = self.code
            self._on_choice(self._chosen)
