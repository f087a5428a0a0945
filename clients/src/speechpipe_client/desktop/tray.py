"""The tray icon and its menu: what is wanted while speaking, without a window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from speechpipe_client.desktop.choices import AUTO, language_choices, name_of
from speechpipe_client.desktop.icons import icon
from speechpipe_client.desktop.inputs import Input, parse
from speechpipe_client.desktop.notices import State, Status
from speechpipe_client.desktop.settings import Settings

_TITLES: Final = {
    State.IDLE: "Speechpipe",
    State.OPENING: "Speechpipe: connecting",
    State.LISTENING: "Speechpipe: listening",
    State.LOST: "Speechpipe: connection lost",
    State.FINISHING: "Speechpipe: the last captions",
}


@dataclass(frozen=True, slots=True)
class Actions:
    """What the menu does."""

    toggle: Callable[[], None]
    change: Callable[..., str]
    """Change settings, by their names."""
    unlock: Callable[[], None]
    open_settings: Callable[[], None]
    quit: Callable[[], None]


class TrayMenu(QMenu):
    """The menu; ``refresh`` fills it before it is shown.

    Args:
        actions: see there.
    """

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        self._actions = actions
        self.inputs: Sequence[Input] = ()
        """What can be recorded on this machine."""

    def refresh(self, settings: Settings, recent: Sequence[str], state: State, *, unlocked: bool) -> None:
        """Fill it anew, unless somebody looks at it."""
        if self.isVisible():
            return
        for old in self.findChildren(QMenu):
            old.deleteLater()
        self.clear()
        listening = state in (State.OPENING, State.LISTENING, State.LOST)
        self._add("Stop listening" if listening else "Start listening", self._actions.toggle, settings.toggle_keys)
        self.addSeparator()
        self._check("Type into the focused window", settings.types, lambda on: self._actions.change(types=on))
        self._check("Show subtitles", settings.subtitles, lambda on: self._actions.change(subtitles=on))
        if settings.subtitles:
            title = "Fix the subtitles" if unlocked else "Move the subtitles"
            self._add(title, self._actions.unlock, settings.move_keys)
        self.addSeparator()
        self._add_spoken(settings, recent)
        self._add_targets(settings, recent)
        self._add_inputs(settings)
        self.addSeparator()
        self._add("Settings…", self._actions.open_settings)
        self._add("Quit", self._actions.quit)

    def _add_spoken(self, settings: Settings, recent: Sequence[str]) -> None:
        menu = self.addMenu(f"Spoken: {name_of(settings.source)}")
        codes = (AUTO, *(c for c in language_choices((settings.source,), recent) if c != AUTO))
        self._choose(menu, {c: name_of(c) for c in codes}, settings.source, lambda c: self._actions.change(source=c))

    def _add_targets(self, settings: Settings, recent: Sequence[str]) -> None:
        names = ", ".join(map(name_of, settings.targets)) or "nothing"
        menu = self.addMenu(f"Translate into: {names}")
        for code in language_choices(settings.targets, recent):
            if code == AUTO:
                continue
            action = menu.addAction(name_of(code))
            action.setCheckable(True)
            action.setChecked(code in settings.targets)
            action.toggled.connect(lambda on, code=code: self._toggle_target(settings, code, on=on))

    def _toggle_target(self, settings: Settings, code: str, *, on: bool) -> None:
        others = tuple(target for target in settings.targets if target != code)
        self._actions.change(targets=(*others, code) if on else others)

    def _add_inputs(self, settings: Settings) -> None:
        chosen = parse(settings.input)
        known = list(self.inputs)
        offered = known if chosen in known else [*known, chosen]
        menu = self.addMenu("Listen to")
        labels = {each.text: label(each) for each in offered}
        self._choose(menu, labels, chosen.text, lambda text: self._actions.change(input=text))

    def _choose(self, menu: QMenu, labels: dict[str, str], chosen: str, change: Callable[[str], object]) -> None:
        group = QActionGroup(menu)
        for value, text in labels.items():
            action = menu.addAction(text)
            action.setCheckable(True)
            action.setChecked(value == chosen)
            action.triggered.connect(lambda _, value=value: change(value))
            group.addAction(action)

    def _check(self, title: str, on: bool, change: Callable[[bool], object]) -> None:
        action = self.addAction(title)
        action.setCheckable(True)
        action.setChecked(on)
        action.toggled.connect(change)

    def _add(self, title: str, do: Callable[[], None], keys: str = "") -> QAction:
        action = self.addAction(f"{title}\t{keys}" if keys else title)
        action.triggered.connect(lambda _: do())
        return action


def label(chosen: Input) -> str:
    """An input as the menu and the settings call it."""
    match chosen.kind:
        case "microphone":
            return chosen.name or "Default microphone"
        case "system":
            return f"What is played: {chosen.name}" if chosen.name else "What this computer plays"
        case "file":
            return f"File {Path(chosen.name).name}"


class Tray(QSystemTrayIcon):
    """The icon; its colour and its words follow the state."""

    def __init__(self, menu: TrayMenu, on_click: Callable[[], None]) -> None:
        super().__init__(icon(State.IDLE))
        self.setContextMenu(menu)
        self.setToolTip(_TITLES[State.IDLE])
        self.activated.connect(
            lambda reason: on_click() if reason is QSystemTrayIcon.ActivationReason.Trigger else None
        )

    def show_status(self, status: Status) -> None:
        """Show a state; trouble also as a message of the desktop."""
        self.setIcon(icon(status.state))
        self.setToolTip("\n".join(filter(None, (_TITLES[status.state], status.sentence))))
        if status.trouble and self.isVisible():
            self.showMessage("Speechpipe", status.sentence, icon(status.state))
