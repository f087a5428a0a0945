"""The desktop app's settings, their file, and what it needs to run at all."""

import asyncio
import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from desktop_world import PROGRAM, running

from speechpipe_client.desktop.inputs import Input, parse
from speechpipe_client.desktop.needs import DesktopError, check_modules, prepare_display
from speechpipe_client.desktop.settings import Settings, SettingsStore, config_folder


def test_changes_are_kept_in_a_file_that_only_its_owner_reads(tmp_path: Path):
    """What was changed is there after a restart; nothing else is written, and nobody else may read the key."""
    path = tmp_path / "new" / "desktop.json"
    SettingsStore(path).change(api_key="secret", place=(5, 700))
    assert SettingsStore(path).current == Settings(api_key="secret", place=(5, 700))
    written = json.loads(path.read_text())
    assert (written["api_key"], written["place"], "rows" in written) == ("secret", [5, 700], False)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["desktop.json"]


def test_the_command_line_holds_for_one_run(tmp_path: Path):
    """An override is not saved when something else is; changing its field ends it."""
    path = tmp_path / "desktop.json"
    store = SettingsStore(path, {"source": "es", "types": False})
    store.change(rows=1)
    assert SettingsStore(path).current == Settings(rows=1)
    assert store.current == Settings(source="es", types=False, rows=1)
    store.change(source="fr")
    assert store.current.source == SettingsStore(path).current.source == "fr"


def test_a_value_out_of_bounds_is_refused_and_nothing_changed(tmp_path: Path):
    """The error names the field; file and settings stay as they were."""
    store = SettingsStore(tmp_path / "desktop.json")
    with pytest.raises(DesktopError, match=r"rows"):
        store.change(rows=7)
    assert store.current == Settings()
    assert not store.path.exists()


@pytest.mark.parametrize("text", ['{"rows": "two"}', '{"colour": "red"}', "{"])
def test_a_file_that_cannot_be_meant_is_named(tmp_path: Path, text: str):
    """The message says which file, what is wrong, and what to do."""
    path = tmp_path / "desktop.json"
    path.write_text(text)
    with pytest.raises(DesktopError, match=r"desktop\.json cannot be read: .*; mend it, or remove it"):
        SettingsStore(path)


def test_settings_lie_where_programs_of_each_system_keep_theirs():
    """XDG on Linux, Application Support on macOS, AppData on Windows."""
    home = Path("/h")
    assert config_folder({}, home, "linux") == home / ".config/speechpipe"
    assert config_folder({"XDG_CONFIG_HOME": "/x"}, home, "linux") == Path("/x/speechpipe")
    assert config_folder({}, home, "darwin") == home / "Library/Application Support/Speechpipe"
    assert config_folder({"APPDATA": "/a"}, home, "win32") == Path("/a/Speechpipe")


@pytest.mark.parametrize(
    "chosen",
    [
        Input("microphone"),
        Input("microphone", "USB: front"),
        Input("system"),
        Input("system", "Speakers"),
        Input("file", "/a/b.wav"),
    ],
)
def test_an_input_is_written_as_it_is_read(chosen: Input):
    """The text in the settings means the same input again."""
    assert parse(chosen.text) == chosen


def test_xwayland_is_preferred_and_no_display_is_an_error():
    """Only an X11 window can stay above others and remember its place."""
    assert prepare_display({"DISPLAY": ":0", "WAYLAND_DISPLAY": "w"}, "linux") == {"QT_QPA_PLATFORM": "xcb"}
    assert prepare_display({"WAYLAND_DISPLAY": "w"}, "linux") == {}
    assert prepare_display({"QT_QPA_PLATFORM": "offscreen"}, "linux") == {}
    assert prepare_display({}, "win32") == {}
    with pytest.raises(DesktopError, match="no display"):
        prepare_display({}, "linux")


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        ({}, "there is no display: DISPLAY and WAYLAND_DISPLAY are not set"),
        ({"DISPLAY": ":4095"}, "the display ':4095' cannot be used"),
    ],
)
async def test_without_a_display_it_leaves_with_a_sentence(environ: dict[str, str], sentence: str):
    """No display, or one where nobody answers: exit code 2 and what is missing, no traceback and no crash of Qt."""
    ended = await asyncio.create_subprocess_exec(
        PROGRAM, "desktop", env=running(**environ), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    _, said = await ended.communicate()
    assert ended.returncode == 2
    assert said.decode().startswith(f"speechpipe: {sentence}")
    assert said.count(b"\n") == 1


def test_what_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch):
    """Without PySide6 the message is the line of pip that brings it."""
    monkeypatch.setitem(sys.modules, "PySide6", None)
    monkeypatch.delitem(sys.modules, "PySide6.QtWidgets", raising=False)
    with pytest.raises(DesktopError, match=r"needs PySide6: pip install 'speechpipe-client\[desktop\]'"):
        check_modules()


async def test_its_help_shows_examples():
    """``--help`` needs no display and no Qt."""
    ended = await asyncio.create_subprocess_exec(
        PROGRAM, "desktop", "--help", env=running(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    shown, said = await ended.communicate()
    assert (ended.returncode, said) == (0, b"")
    assert b"speechpipe desktop --input system --no-type" in shown
