"""The pages of the settings; each shows some fields and hands on what is changed."""

from collections.abc import Callable, Sequence
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QKeySequenceEdit,
    QLineEdit,
    QPushButton,
    QSlider,
    QSpinBox,
    QWidget,
)

from speechpipe_client.desktop import choices
from speechpipe_client.desktop.inputs import Input, parse
from speechpipe_client.desktop.settings import KEY_VARIABLE, Settings
from speechpipe_client.desktop.tray import label
from speechpipe_client.desktop.widgets import SearchBox, hint

Change = Callable[..., None]


class Page(QWidget):
    """A form."""

    title = ""

    def __init__(self) -> None:
        super().__init__()
        self.form = QFormLayout(self)
        self.form.setContentsMargins(18, 18, 18, 14)
        self.form.setVerticalSpacing(12)
        self.form.setHorizontalSpacing(16)
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)

    def apply(self, settings: Settings) -> None:
        """Show settings."""


class SpeechPage(Page):
    """What is heard, and in which languages."""

    title = "Speech"

    def __init__(self, settings: Settings, inputs: Sequence[Input], change: Change) -> None:
        super().__init__()
        self._inputs = list(inputs)
        self.input = QComboBox()
        self.input.activated.connect(lambda index: change(input=self.input.itemData(index)))
        browse = QPushButton("File…")
        browse.clicked.connect(lambda _: self._browse(change))
        row = QHBoxLayout()
        row.setSpacing(8)
        row.addWidget(self.input, 1)
        row.addWidget(browse)
        self.source = SearchBox(choices.spoken(), lambda code: change(source=code))
        none = (("", "Nothing"), *choices.written())
        self.targets = [SearchBox(none, lambda _: self._change_targets(change)) for _ in range(2)]
        self.form.addRow("Listen to", row)
        self.form.addRow("Spoken language", self.source)
        self.form.addRow("Translate into", self.targets[0])
        self.form.addRow("and into", self.targets[1])
        self.form.addRow(hint("Languages may be changed while somebody speaks; type a part of the name to search."))
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Show settings."""
        chosen = parse(settings.input)
        offered = self._inputs if chosen in self._inputs else [*self._inputs, chosen]
        with QSignalBlocker(self.input):
            self.input.clear()
            for each in offered:
                self.input.addItem(label(each), each.text)
            self.input.setCurrentIndex(offered.index(chosen))
        self.source.choose(settings.source)
        for box, code in zip(self.targets, (*settings.targets, "", ""), strict=False):
            box.choose(code)
        self._more = settings.targets[len(self.targets) :]

    def _change_targets(self, change: Change) -> None:
        shown = [box.code for box in self.targets if box.code]
        change(targets=tuple(dict.fromkeys((*shown, *self._more))))

    def _browse(self, change: Change) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Play a file as if it were said", str(Path.home()), "Audio (*)")
        if path:
            change(input=path)


class TypingPage(Page):
    """Voice typing and the keys."""

    title = "Typing"

    def __init__(self, settings: Settings, change: Change) -> None:
        super().__init__()
        self.types = QCheckBox("Type what is said into the focused window")
        self.types.toggled.connect(lambda on: change(types=on))
        self.typing = QComboBox()
        for value, text in (
            ("auto", "Press keys; paste what has no key"),
            ("keys", "Press keys only"),
            ("clipboard", "Paste only"),
        ):
            self.typing.addItem(text, value)
        self.typing.activated.connect(lambda index: change(typing=self.typing.itemData(index)))
        self.keys = {name: QKeySequenceEdit() for name in ("talk_keys", "toggle_keys", "move_keys")}
        for name, edit in self.keys.items():
            edit.setMaximumSequenceLength(1)
            edit.setClearButtonEnabled(True)
            edit.editingFinished.connect(lambda name=name, edit=edit: change(**{name: _chord(edit)}))
        self.form.addRow("", self.types)
        self.form.addRow("How", self.typing)
        self.form.addRow("Hold to speak", self.keys["talk_keys"])
        self.form.addRow("Start and stop", self.keys["toggle_keys"])
        self.form.addRow("Move the subtitles", self.keys["move_keys"])
        self.form.addRow(hint("Only what is final is typed, once no key is held. These keys work in every window."))
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Show settings."""
        with QSignalBlocker(self.types):
            self.types.setChecked(settings.types)
        self.typing.setCurrentIndex(self.typing.findData(settings.typing))
        for name, edit in self.keys.items():
            edit.setKeySequence(QKeySequence(getattr(settings, name)))


class SubtitlesPage(Page):
    """How subtitles look."""

    title = "Subtitles"

    def __init__(self, settings: Settings, change: Change) -> None:
        super().__init__()
        self.subtitles = QCheckBox("Show subtitles over all windows")
        self.subtitles.toggled.connect(lambda on: change(subtitles=on))
        self.points = QSpinBox()
        self.points.setRange(8, 96)
        self.points.setSuffix(" pt")
        self.points.valueChanged.connect(lambda points: change(font_points=points))
        self.rows = QSpinBox()
        self.rows.setRange(1, 2)
        self.rows.valueChanged.connect(lambda rows: change(rows=rows))
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.valueChanged.connect(lambda percent: change(opacity=percent / 100))
        home = QPushButton("Back to the middle")
        home.clicked.connect(lambda _: change(place=None, width=None))
        self.form.addRow("", self.subtitles)
        self.form.addRow("Size of the text", self.points)
        self.form.addRow("Rows for each language", self.rows)
        self.form.addRow("Darkness behind it", self.opacity)
        self.form.addRow("Place", home)
        self._how = hint("")
        self.form.addRow(self._how)
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Show settings."""
        for widget, value in ((self.points, settings.font_points), (self.rows, settings.rows)):
            with QSignalBlocker(widget):
                widget.setValue(value)
        with QSignalBlocker(self.opacity):
            self.opacity.setValue(round(settings.opacity * 100))
        with QSignalBlocker(self.subtitles):
            self.subtitles.setChecked(settings.subtitles)
        self._how.setText(
            f"Clicks go through the subtitles. {settings.move_keys} lets them be dragged, and fixes them again."
        )


class ServerPage(Page):
    """Where the gateway is."""

    title = "Server"

    def __init__(self, settings: Settings, change: Change) -> None:
        super().__init__()
        self.urls = QLineEdit(placeholderText="ws://127.0.0.1:5026/ws")
        self.urls.editingFinished.connect(lambda: change(urls=tuple(self.urls.text().split())))
        self.key = QLineEdit(echoMode=QLineEdit.EchoMode.Password, placeholderText="none")
        self.key.editingFinished.connect(lambda: change(api_key=self.key.text().strip()))
        self.form.addRow("Address", self.urls)
        self.form.addRow("API key", self.key)
        self.form.addRow(hint("Several addresses, with spaces between them: the next one takes over a session."))
        self.form.addRow(hint(f"The key is kept in a file that only you can read; one in {KEY_VARIABLE} is not kept."))
        self.apply(settings)

    def apply(self, settings: Settings) -> None:
        """Show settings."""
        self.urls.setText(" ".join(settings.urls))
        self.key.setText(settings.api_key)


def _chord(edit: QKeySequenceEdit) -> str:
    return edit.keySequence().toString(QKeySequence.SequenceFormat.PortableText)
