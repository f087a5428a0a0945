"""What a person sees while speech is streamed: progress and partials on standard error, results on standard output."""

import sys
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from speechpipe_client.events import Back, Event, Lost
from speechpipe_client.transcript import Segment, Transcript


class Display:
    """A live region on a terminal's standard error; without a terminal there, only notes and results are written."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f} s"),
            TimeElapsedColumn(),
            console=self._console,
        )
        self._file = self._progress.add_task("", total=0, visible=False)
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(
                self._progress, console=self._console, transient=True, redirect_stdout=False, redirect_stderr=False
            )

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.stop()

    def begin(self, name: str, seconds: float) -> None:
        """A file of that length is next."""
        self._progress.reset(self._file, total=seconds, description=name, visible=True)

    def sent(self, seconds: float) -> None:
        """That much more of it was sent."""
        self._progress.advance(self._file, seconds)

    def heard(self, pending: str) -> None:
        """What is being said at the moment."""
        if self._live:
            self._live.update(Group(self._progress, Text(pending, style="dim italic")))

    def connection(self, event: Event) -> None:
        """Say so where the connection was lost, and when it is back."""
        match event:
            case Lost():
                self.note(f"speechpipe: the connection was lost ({event.message}); what is said meanwhile is kept")
            case Back():
                self.note(
                    f"speechpipe: the connection is back after {event.away_seconds:.0f} s, and nothing is missing"
                )

    def result(self, text: str) -> None:
        """Write a result to standard output, above the live region when both are the same terminal."""
        if self._live and sys.stdout.isatty():
            self._console.print(text, end="")
        else:
            sys.stdout.write(text)
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """Write a line to standard error."""
        self._console.print(text)


class InOrder:
    """Gives out each segment once it is complete: final, all its translations there, and all before it given out."""

    def __init__(self, transcript: Transcript, targets: tuple[str, ...]) -> None:
        self._transcript = transcript
        self._targets = targets
        self._given: set[str] = set()

    def complete(self) -> list[Segment]:
        """Segments that became complete since the last call."""
        ready = []
        for segment in self.rest():
            if not self._settled(segment):
                break
            self._given.add(segment.caption.segment_id)
            ready.append(segment)
        return ready

    def rest(self) -> list[Segment]:
        """Segments that were not given out."""
        return [s for s in self._transcript.segments if s.caption.segment_id not in self._given]

    def _settled(self, segment: Segment) -> bool:
        failed = {p.language for p in self._transcript.problems if p.segment_id == segment.caption.segment_id}
        return all(target in segment.translations or target in failed for target in self._targets)
