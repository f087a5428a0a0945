"""The app's windows in this process, on a screen of their own: menu, settings, clipboard, and changes while it runs."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from desktop_world import Screen, a_field, a_screen, sound
from peer import DEADLINE, Caller, gateway
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtWidgets import QApplication, QMenu

from speechpipe_client.desktop.app import DesktopApp
from speechpipe_client.desktop.clipboard import Clipboard
from speechpipe_client.desktop.settings import Settings, SettingsStore
from speechpipe_client.desktop.typists import KeyTypist
from speechpipe_common import wire


@pytest.fixture(scope="module")
def screen() -> Iterator[Screen]:
    """A screen, and Qt on it."""
    with pytest.MonkeyPatch.context() as patch, a_screen() as made:
        patch.setenv("DISPLAY", made.name)
        patch.setenv("QT_QPA_PLATFORM", "xcb")
        patch.setenv("PULSE_SERVER", "unix:/nonexistent")
        application = QApplication.instance() or QApplication(["speechpipe"])
        yield made
        application.shutdown()


@pytest.fixture
def said() -> list[str]:
    """What the app said."""
    return []


@pytest.fixture
def app(screen: Screen, tmp_path: Path, said: list[str]) -> Iterator[DesktopApp]:
    """The app with new settings."""
    made = DesktopApp(SettingsStore(tmp_path / "desktop.json"), said.append)
    yield made
    made.close()
    made.window.close()
    made.overlay.close()


async def until(condition: Callable[[], object], what: str) -> None:
    """Let Qt and asyncio run until it holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, what
        QApplication.processEvents()
        await asyncio.sleep(0.01)


def item(actions: list[QAction], title: str) -> QAction:
    """A menu's item whose title begins so."""
    return next(action for action in actions if action.text().startswith(title))


def submenu(menu: QMenu, title: str) -> list[QAction]:
    """Items of the menu below an item."""
    below = item(menu.actions(), title).menu()
    assert isinstance(below, QMenu)
    return below.actions()


def kept(tmp_path: Path) -> Settings:
    """Settings as they are on disk."""
    return SettingsStore(tmp_path / "desktop.json").current


def test_the_menu_changes_settings_and_shows_them(app: DesktopApp, tmp_path: Path):
    """Typing, languages and input are chosen in the menu, are kept, and are what it says when it opens again."""
    menu = app.menu
    menu.aboutToShow.emit()
    item(menu.actions(), "Type into").setChecked(False)
    item(submenu(menu, "Spoken: Detect"), "French").trigger()
    menu.aboutToShow.emit()
    for name in ("Spanish", "English"):
        menu.aboutToShow.emit()
        item(submenu(menu, "Translate into"), name).setChecked(True)
    menu.aboutToShow.emit()
    titles = [action.text() for action in menu.actions()]
    assert "Spoken: French" in titles
    assert "Translate into: Spanish, English" in titles
    settings = kept(tmp_path)
    assert (settings.types, settings.source, settings.targets) == (False, "fr", ("es", "en"))
    assert settings.recent[:3] == ("en", "es", "fr")
    assert submenu(menu, "Listen to")[0].text() == "Default microphone"


def test_the_settings_find_languages_and_refuse_what_cannot_be(app: DesktopApp, tmp_path: Path):
    """A language is found by its name; nonsense goes back; a server and its key are kept; no address is refused."""
    speech, _, subtitles, server = app.window.pages
    speech.source.setEditText("spanish")
    speech.source.lineEdit().editingFinished.emit()
    speech.targets[0].setEditText("Klingon")
    speech.targets[0].lineEdit().editingFinished.emit()
    assert speech.targets[0].currentText() == "Nothing"
    subtitles.points.setValue(30)
    server.urls.setText("ws://a/ws ws://b/ws")
    server.urls.editingFinished.emit()
    server.key.setText(" secret ")
    server.key.editingFinished.emit()
    settings = kept(tmp_path)
    assert (settings.source, settings.targets, settings.font_points) == ("es", (), 30)
    assert (settings.urls, settings.api_key) == (("ws://a/ws", "ws://b/ws"), "secret")
    server.urls.setText("")
    server.urls.editingFinished.emit()
    assert "urls" in app.window.wrong
    assert kept(tmp_path) == settings


def test_keys_that_do_not_exist_are_refused_before_they_are_kept(app: DesktopApp, tmp_path: Path, said: list[str]):
    """The combination is named, with how it should be written; the old one stays, and none at all is fine."""
    wrong = app.change(toggle_keys="Ctrl+Hyperspace")
    assert wrong.startswith("'Ctrl+Hyperspace' is no key combination")
    assert wrong.endswith("write it like Ctrl+Alt+Space")
    assert said[-1] == wrong
    assert app.change(move_keys="") == ""
    assert (kept(tmp_path).toggle_keys, kept(tmp_path).move_keys) == ("Ctrl+Alt+D", "")


async def test_languages_and_input_are_switched_while_it_listens(app: DesktopApp, tmp_path: Path, said: list[str]):
    """New languages go to the session that runs; another input opens a new one, and the old one ends in order."""

    async def script(caller: Caller) -> None:
        await caller.welcome()
        await caller.finish()

    first, second = sound(tmp_path, 60)[0], sound(tmp_path, 61)[0]
    async with gateway(script, script) as peer:
        assert app.change(urls=(peer.url,), input=str(first), types=False) == ""
        app.toggle()
        await until(lambda: "listening" in said, "it to listen")
        assert app.change(source="es", targets=("en",)) == ""
        wanted = wire.SetLangs(source_language="es", target_languages=("en",))
        await until(lambda: wanted in peer.callers[0].messages, "the languages to reach the server")
        assert app.change(input=str(second)) == ""
        await until(lambda: len(peer.callers) == 2 and len(peer.callers[1].messages) >= 2, "the second session")
        assert peer.callers[0].messages[-1] == wire.Stop()
        assert peer.callers[1].messages[0] == wanted
        app.toggle()
        await until(lambda: said[-1] == "idle", "it to end")


async def test_the_clipboard_is_lent_and_given_back(screen: Screen, tmp_path: Path):
    """Text without keys is pasted, and what was on the clipboard is there again; text that nobody took stays on it."""
    clipboard = QGuiApplication.clipboard()
    clipboard.setText("before")
    lender = Clipboard()
    taken: list[bool] = []

    def offer(text: str, press: Callable[[], None]) -> None:
        thread = threading.Thread(target=lambda: taken.append(lender.offer(text, press)))
        thread.start()

    async with a_field(screen, tmp_path) as field:
        await field.focus()
        offer("¿lent?", KeyTypist().paste)
        await until(lambda: taken == [True] and field.text == "¿lent?", "the text to be pasted")
        await until(lambda: clipboard.text() == "before", "the clipboard to be given back")
        offer("untaken", lambda: None)
        await until(lambda: taken == [True, False], "nobody to take it")
        lender.leave(" untaken")
        lender.leave(" either")
        assert clipboard.text() == "untaken either"
