"""Shows captions as they come, and the table at the end."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from speechpipe_client.demo.clips import Clip
from speechpipe_client.demo.play import Played
from speechpipe_client.demo.verdict import Verdict
from speechpipe_client.inbox import Event
from speechpipe_common.wire import FinalCaption, Realtime, Translation


class View:
    """One row per clip that is being played: committed words bright, the rest dim, finals green.

    Without a terminal every partial and final is a line of its own.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._captions: dict[str, Text] = {}
        self._translations: dict[str, str] = {}
        self._live = Live(console=console, refresh_per_second=8) if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def show(self, clip: Clip, event: Event) -> None:
        """An event of the session that plays ``clip``."""
        match event:
            case Realtime():
                caption = Text.assemble((event.committed, "bold"), (event.tail, "dim italic"))
                self._caption(clip, caption, f"... {event.text}")
            case FinalCaption() if event.text.strip():
                self._caption(clip, Text(event.text.strip(), "bold green"), event.text.strip())
            case Translation(is_final=True):
                self._translations[clip.name] = event.text
                self._line(clip, f"[{event.language}] {event.text}")
        if self._live:
            self._live.update(self._table())

    def _caption(self, clip: Clip, caption: Text, line: str) -> None:
        self._captions[clip.name] = caption
        self._line(clip, line)

    def _line(self, clip: Clip, text: str) -> None:
        if self._live is None:
            self._console.print(f"{clip.name:<20} {text}", markup=False, highlight=False, soft_wrap=True)

    def _table(self) -> Table:
        table = Table("utterance", "caption", "translation", expand=True, show_edge=False)
        for name, caption in self._captions.items():
            table.add_row(name, caption, Text(self._translations.get(name, ""), "cyan"))
        return table


def summary(results: list[tuple[Played, Verdict]]) -> Table:
    """The table at the end: utterance, language, error rate, latency, text and translation."""
    table = Table(title="Real speech through the whole pipeline")
    table.add_column("utterance")
    table.add_column("lang")
    table.add_column("WER", justify="right")
    table.add_column("end of speech\nto final", justify="right")
    table.add_column("heard", ratio=1)
    table.add_column("translation", ratio=1)
    for played, verdict in results:
        clip = played.clip
        late = "-" if played.latency is None else f"{played.latency:.2f} s"
        translation = f"[{clip.target}] {played.heard.translation}" if clip.target else "-"
        style = "red" if verdict.faults else ""
        rate = f"{verdict.error_rate:.2f}"
        row = [clip.name, clip.language, rate, late, played.heard.text, translation]
        table.add_row(*(Text(cell, style) for cell in row))
    return table
