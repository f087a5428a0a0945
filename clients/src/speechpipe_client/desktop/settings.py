"""The app's settings: their bounds, and the file that keeps them."""

import os
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from speechpipe_client.desktop.needs import DesktopError

KEY_VARIABLE: Final = "SPEECHPIPE_API_KEY"

Typing = Literal["auto", "keys", "clipboard"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Everything that a person can choose."""

    urls: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] = ("ws://127.0.0.1:5026/ws",)
    """Gateways; the next one takes over a session."""
    api_key: str = ""
    source: str = "auto"
    """Spoken language, or auto."""
    targets: tuple[str, ...] = ()
    """Languages to translate into."""
    recent: tuple[str, ...] = ()
    """Languages chosen before, the newest first; the menu offers them."""
    input: str = "microphone"
    """As ``inputs.parse`` reads it."""
    types: bool = True
    """Whether finals are typed into the focused window."""
    typing: Typing = "auto"
    """``keys`` where every character has a key and ``clipboard`` elsewhere; or always one of them."""
    talk_keys: str = "Ctrl+Alt+Space"
    """Held while speaking."""
    toggle_keys: str = "Ctrl+Alt+D"
    """Begins and ends listening."""
    move_keys: str = "Ctrl+Alt+M"
    """Lets the subtitles be moved, and fixes them again."""
    subtitles: bool = True
    rows: Annotated[int, msgspec.Meta(ge=1, le=2)] = 2
    """Rows of text for each language."""
    font_points: Annotated[int, msgspec.Meta(ge=8, le=96)] = 22
    opacity: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] = 0.65
    """Of what lies behind the text."""
    place: tuple[int, int] | None = None
    """Left and bottom edge of the subtitles in pixels of the desktop; None: low in the middle."""
    width: Annotated[int, msgspec.Meta(ge=200, le=16_000)] | None = None
    """Of the subtitles in pixels; None: three fifths of the screen."""


def config_folder(environ: Mapping[str, str], home: Path, platform: str = sys.platform) -> Path:
    """Where this user's programs keep their settings (XDG Base Directory; Apple's and Microsoft's own places)."""
    if platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming") / "Speechpipe"
    if platform == "darwin":
        return home / "Library" / "Application Support" / "Speechpipe"
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "speechpipe"


def default_path() -> Path:
    """The settings file of whoever runs this."""
    return config_folder(os.environ, Path.home()) / "desktop.json"


class SettingsStore:
    """Settings as saved, under those that hold for this run only.

    Args:
        path: the file; made at the first change.
        overrides: fields from the command line. They are not saved, and one ends when its field is changed.

    Raises:
        DesktopError: the file holds something that cannot be meant; it names the field.
    """

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None) -> None:
        self.path = path
        self._overrides = dict(overrides or {})
        self._saved = _read(path)

    @property
    def current(self) -> Settings:
        """What holds now."""
        return _replaced(self._saved, self._overrides)

    def change(self, **fields: object) -> Settings:
        """Change fields and save the file.

        Raises:
            DesktopError: a value is out of its bounds, or the file cannot be written.
        """
        changed = {name: value for name, value in fields.items() if getattr(self.current, name) != value}
        if changed:
            self._saved = _replaced(self._saved, changed)
            for name in changed:
                self._overrides.pop(name, None)
            _write(self.path, self._saved)
        return self.current


def _replaced(settings: Settings, fields: Mapping[str, object]) -> Settings:
    everything = {**msgspec.structs.asdict(settings), **fields}
    try:
        return msgspec.convert(everything, Settings)
    except msgspec.ValidationError as error:
        raise DesktopError(f"this setting cannot be: {error}") from error


def _read(path: Path) -> Settings:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Settings)
    except FileNotFoundError:
        return Settings()
    except (msgspec.DecodeError, OSError, UnicodeDecodeError) as error:
        raise DesktopError(f"{path} cannot be read: {error}; mend it, or remove it to begin anew") from error


def _write(path: Path, settings: Settings) -> None:
    """Put a whole new file in the place of the old one; only its owner may read it, for it may hold a key."""
    data = msgspec.json.format(msgspec.json.encode(settings), indent=2)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with suppress(FileNotFoundError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise DesktopError(f"{path} cannot be written: {error}") from error
