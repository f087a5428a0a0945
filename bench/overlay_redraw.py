"""How long the subtitles of `speechpipe desktop` take from a new caption until they are drawn.

    .venv/bin/python bench/overlay_redraw.py [--captions 2000] [--screen 1920x1080]

Real sentences grow word by word in three languages, two rows each, as a session's partials and finals do. Each step is
timed from the event until ``repaint`` has returned: breaking lines, drawing text and backdrops with Qt's raster engine,
and handing the picture to X. On a screen of its own (Xvfb), so that nobody's desktop matters.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from results import Figure, Result, publish
from shared import say

BAR_MS = 16.0
"""A frame at 60 Hz."""
WARM_UP = 50
SENTENCES = (
    "And it is worth mention in passing that, as an example of fine typography, it has never been surpassed.",
    "The earliest book printed with movable types, the Gutenberg Bible, is a fine example of what can be done.",
    "He was not an ill disposed young man, unless to be rather cold hearted is to be ill disposed.",
)


@contextmanager
def screen(size: str) -> Iterator[None]:
    """An X server, in the environment of this process."""
    reader, writer = os.pipe()
    command = ("Xvfb", "-displayfd", str(writer), "-screen", "0", f"{size}x24", "-nolisten", "tcp")
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as server:  # noqa: S603 - our own
        os.close(writer)
        with os.fdopen(reader) as told:
            os.environ |= {"DISPLAY": f":{told.readline().strip()}", "QT_QPA_PLATFORM": "xcb"}
        try:
            yield
        finally:
            server.terminate()


def measure(captions: int) -> list[float]:
    """Milliseconds of each redraw."""
    from PySide6.QtGui import QPaintEvent
    from PySide6.QtWidgets import QApplication

    from speechpipe_client.desktop.captions import Line
    from speechpipe_client.desktop.overlay import Overlay
    from speechpipe_client.desktop.settings import Settings

    class Counted(Overlay):
        painted = 0

        def paintEvent(self, event: QPaintEvent) -> None:
            super().paintEvent(event)
            self.painted += 1

    application = QApplication(["bench"])
    overlay = Counted(Settings(targets=("es", "it")), lambda *_: None)
    overlay.show()
    while not overlay.painted:
        application.processEvents()
    taken = []
    for step in range(captions + WARM_UP):
        words = SENTENCES[step // 20 % len(SENTENCES)].split()[: step % 20 + 1]
        solid, faint = " ".join(words[:-3]), " ".join(("", *words[-3:]))
        before = SENTENCES[(step // 20 + 1) % len(SENTENCES)]
        began = time.perf_counter()
        overlay.show_lines([Line(language, f"{before} {solid}", faint) for language in ("en", "es", "it")])
        before_it = overlay.painted
        overlay.repaint()
        taken.append((time.perf_counter() - began) * 1000)
        if overlay.painted == before_it:
            raise RuntimeError("nothing was drawn")
        application.processEvents()
    overlay.close()
    return taken[WARM_UP:]


def main() -> int:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description="Time from a caption to its picture.")
    parser.add_argument("--captions", type=int, default=2000)
    parser.add_argument("--screen", default="1920x1080")
    given = parser.parse_args()
    with screen(given.screen):
        taken = measure(given.captions)
    ordered = statistics.quantiles(taken, n=100)
    figures = [
        Figure("caption to picture, three languages of two rows, median", statistics.median(taken), "ms", bar=BAR_MS),
        Figure("the same, 99th percentile", ordered[98], "ms"),
    ]
    for figure in figures:
        say(f"{figure.name}: {figure.value:.2f} {figure.unit}")
    return publish(Result("overlay_redraw", "overlay_redraw.py", figures=figures))


if __name__ == "__main__":
    sys.exit(main())
