"""What ``kubectl get sp`` told while something happened: every status of a pipeline, in order."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from kubectl import Json, tool
from progress import say, until
from states import condition, summary

STOP_SECONDS = 20.0
AGAIN_SECONDS = 0.5


def documents(stream: IO[str]) -> Iterator[Json]:
    """JSON documents that follow one another, each as soon as its last line is there."""
    lines: list[str] = []
    for line in stream:
        lines.append(line)
        if line.startswith("}"):  # kubectl indents what is inside
            yield json.loads("".join(lines))
            lines.clear()


@dataclass
class Story:
    """The statuses seen so far; questions are about those since the last ``mark``."""

    statuses: list[Json] = field(default_factory=list)
    begin: int = 0

    def mark(self) -> None:
        """Something is about to happen: forget what was told before, but for the last."""
        self.begin = max(0, len(self.statuses) - 1)

    def conditions(self, kind: str) -> list[Json]:
        """What a condition was, one change after another."""
        seen: list[Json] = []
        for status in self.statuses[self.begin :]:
            found = condition({"status": status}, kind)
            if found and (not seen or found != seen[-1]):
                seen.append(found)
        return seen

    def said(self, kind: str, status: str, *reasons: str) -> bool:
        """Whether a condition had this status at any time, with one of the reasons, if any are given."""
        return any(
            item["status"] == status and (not reasons or item["reason"] in reasons) for item in self.conditions(kind)
        )

    def tail(self) -> str:
        """The last reasons of everything, for a message."""
        kinds = {item["type"] for status in self.statuses[self.begin :] for item in status.get("conditions", ())}
        return "; ".join(
            f"{kind}: {' > '.join(i['status'] + ' ' + i['reason'] for i in self.conditions(kind)[-6:])}"
            for kind in sorted(kinds)
        )


class Recorder:
    """Watches a pipeline inside its block; ``story`` grows meanwhile.

    Args:
        name: of the pipeline.
        namespace: where it is.
        file: gets every status, a line each, with the time.
    """

    def __init__(self, name: str, namespace: str, file: Path) -> None:
        self.story = Story()
        self._command = (tool("kubectl"), "get", "speechpipelines", name, "-n", namespace, "-o", "json", "--watch")
        self._file = file
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None
        self._said = ""
        self._thread = threading.Thread(target=self._read, name=f"watch-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        until(lambda: self.story.statuses, "the first status", 60)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        self._thread.join(STOP_SECONDS)

    def until_said(self, kind: str, status: str, *reasons: str, seconds: float = 180) -> None:
        """Wait until a condition is this, for one of these reasons, or was it since the last mark."""
        what = f"{kind}={status} {'/'.join(reasons)}".strip()
        until(lambda: self.story.said(kind, status, *reasons), what, seconds, lambda: self.story.tail())

    def _read(self) -> None:
        with self._file.open("a") as kept:
            while not self._stopping.is_set():
                # The API server ends watches when it likes, as when a definition changes; the next begins with what is.
                with subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True) as process:
                    self._process = process
                    if self._stopping.is_set():
                        process.terminate()
                    assert process.stdout is not None
                    for document in documents(process.stdout):
                        self._take(document, kept)
                self._stopping.wait(AGAIN_SECONDS)

    def _take(self, document: Json, kept: IO[str]) -> None:
        status: dict[str, Any] = document.get("status", {})
        if not status or (self.story.statuses and status == self.story.statuses[-1]):
            return
        self.story.statuses.append(status)
        kept.write(json.dumps({"at": time.time(), **status}) + "\n")
        kept.flush()
        if (line := summary(document)) != self._said:
            say(f"  sp {document['metadata']['name']}: {line}"[:300])
            self._said = line
