"""The settings, and where there is no tray, the app's only window: what is going on stands at its top."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QTabWidget, QVBoxLayout, QWidget

from speechpipe_client.desktop.icons import dot, icon
from speechpipe_client.desktop.inputs import Input
from speechpipe_client.desktop.notices import State, Status
from speechpipe_client.desktop.settings import Settings
from speechpipe_client.desktop.settings_pages import ServerPage, SpeechPage, SubtitlesPage, TypingPage

_SAID = {
    State.IDLE: "Not listening.",
    State.OPENING: "Connecting…",
    State.LISTENING: "Listening.",
    State.LOST: "Connection lost.",
    State.FINISHING: "Waiting for the last captions.",
}


class SettingsWindow(QWidget):
    """Every change counts at once; there is nothing to confirm.

    Args:
        settings: to begin with.
        inputs: what can be recorded.
        change: changes settings by their names, and says what is wrong with them, or nothing.
        toggle: begins or ends listening.
        on_close: called when somebody closes it.
    """

    def __init__(
        self,
        settings: Settings,
        inputs: Sequence[Input],
        change: Callable[..., str],
        toggle: Callable[[], None],
        on_close: Callable[[], None],
    ) -> None:
        super().__init__()
        self.setWindowTitle("Speechpipe")
        self.setWindowIcon(icon(State.IDLE))
        self._on_close = on_close
        self._dot = QLabel()
        self._sentence = QLabel(wordWrap=True)
        self._button = QPushButton()
        self._button.clicked.connect(lambda _: toggle())
        self._button.setMinimumWidth(130)
        self._wrong = QLabel(wordWrap=True)
        self._wrong.setStyleSheet("color: #c62828")
        self._wrong.hide()

        def try_change(**fields: object) -> None:
            wrong = change(**fields)
            self._wrong.setText(wrong)
            self._wrong.setVisible(bool(wrong))

        self.pages = (
            SpeechPage(settings, inputs, try_change),
            TypingPage(settings, try_change),
            SubtitlesPage(settings, try_change),
            ServerPage(settings, try_change),
        )
        self._lay_out()
        self.show_status(Status(State.IDLE))

    @property
    def wrong(self) -> str:
        """What is wrong with the last change."""
        return self._wrong.text()

    def apply(self, settings: Settings) -> None:
        """Show settings that were changed elsewhere."""
        for page in self.pages:
            page.apply(settings)

    def show_status(self, status: Status) -> None:
        """Show what is going on."""
        self._dot.setPixmap(dot(status.state, 16))
        self._sentence.setText(status.sentence or _SAID[status.state])
        listening = status.state in (State.OPENING, State.LISTENING, State.LOST)
        self._button.setText("Stop listening" if listening else "Start listening")
        self.setWindowIcon(icon(status.state))

    def closeEvent(self, event: QCloseEvent) -> None:
        """Whether that ends the app depends on whether there is a tray."""
        super().closeEvent(event)
        self._on_close()

    def _lay_out(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(10)
        top.addWidget(self._dot)
        top.addWidget(self._sentence, 1)
        top.addWidget(self._button)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        line.setFrameShadow(QFrame.Shadow.Sunken)
        tabs = QTabWidget()
        for page in self.pages:
            tabs.addTab(page, page.title)
        everything = QVBoxLayout(self)
        everything.setContentsMargins(16, 14, 16, 14)
        everything.setSpacing(12)
        everything.addLayout(top)
        everything.addWidget(line)
        everything.addWidget(tabs, 1)
        everything.addWidget(self._wrong)
        self.resize(560, 430)
        self._dot.setAlignment(Qt.AlignmentFlag.AlignVCenter)
