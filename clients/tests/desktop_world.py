"""A screen without a monitor (Xvfb); the desktop app and a window with a text field on it, each its own process."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
from peer import DEADLINE
from Xlib import XK, X, display
from Xlib.ext import shape, xtest

from speechpipe_common.testing import eventually

PROGRAM = str(Path(sys.executable).with_name("speechpipe"))
SUBTITLES = "Speechpipe subtitles"
Rect = tuple[int, int, int, int]


def running(**more: str) -> dict[str, str]:
    """Environment of a program in these tests: this one's, without what would choose another desktop or server."""
    others = ("QT_", "WAYLAND_", "DISPLAY", "SPEECHPIPE", "PULSE_")
    return {key: value for key, value in os.environ.items() if not key.startswith(others)} | more


class Screen:
    """The X server, with the hands of whoever sits before it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.sound = Path("/nonexistent")
        """Where a sound server of programs on this screen would be."""
        self._display = display.Display(name)

    @property
    def environ(self) -> dict[str, str]:
        """Environment of programs on this screen."""
        return running(
            DISPLAY=self.name, XDG_RUNTIME_DIR=str(self.sound), PULSE_SERVER=f"unix:{self.sound}/pulse/native"
        )

    def close(self) -> None:
        """Leave it."""
        self._display.close()

    def key(self, name: str, *, down: bool) -> None:
        """Press a key or let it go."""
        code = self._display.keysym_to_keycode(XK.string_to_keysym(name))
        xtest.fake_input(self._display, X.KeyPress if down else X.KeyRelease, code)
        self._display.sync()

    @contextmanager
    def holding(self, *names: str) -> Iterator[None]:
        """Keys held down."""
        for name in names:
            self.key(name, down=True)
        try:
            yield
        finally:
            for name in reversed(names):
                self.key(name, down=False)

    def point(self, x: int, y: int) -> None:
        """Move the mouse."""
        xtest.fake_input(self._display, X.MotionNotify, x=x, y=y)
        self._display.sync()

    def button(self, *, down: bool) -> None:
        """Press the left mouse button, or let it go."""
        xtest.fake_input(self._display, X.ButtonPress if down else X.ButtonRelease, 1)
        self._display.sync()

    def focus(self, window: int) -> None:
        """Give a window the keyboard."""
        self._display.set_input_focus(self._display.create_resource_object("window", window), X.RevertToParent, 0)
        self._display.sync()

    def has_focus(self, window: int) -> bool:
        """Whether it has the keyboard."""
        return getattr(self._display.get_input_focus().focus, "id", 0) == window

    def window(self, title: str) -> int | None:
        """The shown window of that title."""
        for child in self._display.screen().root.query_tree().children:
            with suppress(Exception):  # it may be gone by now
                if child.get_wm_name() == title and child.get_attributes().map_state == X.IsViewable:
                    return int(child.id)
        return None

    def rect(self, window: int) -> Rect:
        """Where it is: left, top, width, height."""
        there = self._display.create_resource_object("window", window).get_geometry()
        return there.x, there.y, there.width, there.height

    def states(self, window: int) -> set[str]:
        """What its ``_NET_WM_STATE`` says."""
        atom = self._display.intern_atom("_NET_WM_STATE")
        found = self._display.create_resource_object("window", window).get_full_property(atom, X.AnyPropertyType)
        return {self._display.get_atom_name(each) for each in found.value} if found else set()

    def input_rects(self, window: int) -> int:
        """How many rectangles of it take clicks."""
        seen = self._display.create_resource_object("window", window)
        return len(seen.shape_get_rectangles(shape.SK.Input).rectangles)

    def pixels(self, rect: Rect) -> np.ndarray:
        """What is seen there, as (height, width, 3) bytes; red first."""
        x, y, width, height = rect
        raw = self._display.screen().root.get_image(x, y, width, height, X.ZPixmap, 0xFFFFFFFF).data
        return np.frombuffer(raw, np.uint8).reshape(height, width, 4)[:, :, 2::-1]


@contextmanager
def a_screen() -> Iterator[Screen]:
    """An X server on a free number; it says itself when it is ready."""
    reader, writer = os.pipe()
    command = ("Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24", "-nolisten", "tcp", "-noreset")
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with os.fdopen(reader) as told:
            screen = Screen(f":{told.readline().strip()}")
        try:
            yield screen
        finally:
            screen.close()
            server.terminate()


@dataclass
class Field:
    """The text field."""

    screen: Screen
    content: Path
    window: int = 0

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.content.read_text(encoding="utf-8") if self.content.exists() else ""

    async def focus(self) -> None:
        """Give it the keyboard, however often another window takes it."""

        def focused() -> bool:
            self.screen.focus(self.window)
            return self.screen.has_focus(self.window)

        await eventually(focused, "the field to have the focus")

    async def holds(self, text: str) -> None:
        """Wait until exactly this stands in it."""
        with suppress(AssertionError):
            await eventually(lambda: self.text == text, "the text", DEADLINE)
        assert self.text == text  # shows where they differ


@asynccontextmanager
async def a_field(screen: Screen, folder: Path, rect: Rect = (700, 20, 500, 300)) -> AsyncIterator[Field]:
    """A window with a text field."""
    made = Field(screen, folder / f"field-{rect[0]}-{rect[1]}.txt")
    script = Path(__file__).with_name("desktop_field.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script), str(made.content), *map(str, rect), stdout=subprocess.PIPE, env=screen.environ
    )
    try:
        async with asyncio.timeout(DEADLINE):
            assert process.stdout is not None
            made.window = int(await process.stdout.readline())
        await eventually(lambda: screen.window("field") is not None, "the field to be shown")
        yield made
    finally:
        process.kill()
        await process.wait()


@dataclass
class App:
    """The desktop app."""

    process: asyncio.subprocess.Process
    said: list[str] = field(default_factory=list)
    """Lines of its standard error."""
    shown: list[str] = field(default_factory=list)
    """Lines of its standard output."""

    async def says(self, sentence: str, times: int = 1) -> None:
        """Wait until it has said something that often on its standard error."""
        with suppress(AssertionError):
            await eventually(lambda: self.count(sentence) >= times, sentence, DEADLINE)
        assert self.count(sentence) >= times, self.said

    def count(self, sentence: str) -> int:
        """How often it said that."""
        return sum(sentence in line for line in self.said)

    async def quit(self) -> int:
        """Press Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        async with asyncio.timeout(DEADLINE):
            return await self.process.wait()

    async def listen(self) -> None:
        """Keep what it says and shows."""
        assert self.process.stderr is not None
        assert self.process.stdout is not None
        await asyncio.gather(_keep(self.process.stderr, self.said), _keep(self.process.stdout, self.shown))


async def _keep(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode().rstrip())


@asynccontextmanager
async def an_app(screen: Screen, folder: Path, *arguments: object) -> AsyncIterator[App]:
    """The app with settings of its own in ``folder``."""
    app = App(
        await asyncio.create_subprocess_exec(
            *(PROGRAM, "desktop", "--settings", str(folder / "desktop.json"), *map(str, arguments)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=screen.environ,
        )
    )
    listening = asyncio.create_task(app.listen())
    try:
        yield app
    finally:
        with suppress(ProcessLookupError):
            app.process.kill()
        await app.process.wait()
        await listening


def sound(folder: Path, seconds: float, rate: int = 8_000) -> tuple[Path, bytes]:
    """A file of noise, and its samples: whatever is lost or repeated shows."""
    samples = np.random.default_rng(7).integers(-3_000, 3_000, round(seconds * rate), np.int16)
    path = folder / f"noise-{seconds:g}.wav"
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path, samples.astype("<i2").tobytes()
