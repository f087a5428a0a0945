"""People who speak to a gateway's Service from a pod, as clients in the cluster do."""

import json
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hearing import Outcome, read, verdict
from kubectl import apply, delete, execute, kubectl, tool
from pipelines import PAUSE_MILLISECONDS
from pods import not_on, plain_pod, until_ended, until_running
from progress import say, until
from settings import Settings
from speech import Clip
from verdict import Verdict
from voices import CLIP_FOLDER, PROGRAM_FOLDER, deliver, mounts

OPEN_SECONDS = 180.0
SETTLE_SECONDS = 240.0
HEAR_SECONDS = 180.0
GRACE_SECONDS = 300


@dataclass(frozen=True)
class Speaker:
    """One caller: what it says, and what it wants."""

    name: str
    clips: tuple[Clip, ...]
    target: str | None = None
    partials: bool = True
    gap: float = PAUSE_MILLISECONDS / 1000 + 1
    """Seconds of silence after each clip, which end the utterance."""

    def task(self) -> dict[str, object]:
        """As ``talk.py`` reads it."""
        said = [clip.name for clip in self.clips]
        wishes = {"target": self.target, "partials": self.partials, "gap": self.gap}
        return {"name": self.name, "clips": said, **wishes}


def speakers(count: int, library: Sequence[Clip], target: str | None = None) -> list[Speaker]:
    """Callers that begin at different clips; every other one wants partials."""

    def turned(number: int) -> tuple[Clip, ...]:
        first = number % len(library)
        return (*library[first:], *library[:first])

    return [Speaker(f"client-{n}", turned(n), target, partials=n % 2 == 0) for n in range(count)]


class Load:
    """A pod whose callers speak; ``running`` makes one.

    Args:
        name: of the pod.
        namespace: its own, which may be another than the gateway's.
        who: the callers.
        url: the gateways' address.
        folder: gets what they printed.
    """

    def __init__(self, name: str, namespace: str, who: Sequence[Speaker], url: str, folder: Path) -> None:
        self.name = name
        self.namespace = namespace
        self.who = tuple(who)
        self._url = url
        self._file = folder / f"{name}.jsonl"
        self._follower = Follower(name, namespace)

    def start(self, settings: Settings, *, once: bool = False, avoid: str = "") -> None:
        """Make the pod and wait until every session is open. ``avoid`` is a node that it must not run on."""
        library = {clip.name: clip for one in self.who for clip in one.clips}.values()
        deliver(self.namespace, *library)
        task = {"url": self._url, "clips": CLIP_FOLDER, "callers": [one.task() for one in self.who], "once": once}
        command = ("python", f"{PROGRAM_FOLDER}/talk.py", json.dumps(task))
        pod = plain_pod(self.name, self.namespace, settings.image("client"), command)
        volumes, places = mounts(*library)
        pod["spec"]["volumes"] += volumes
        pod["spec"]["containers"][0]["volumeMounts"] += places
        pod["spec"]["terminationGracePeriodSeconds"] = GRACE_SECONDS
        if avoid:
            not_on(pod, avoid)
        delete("pod", self.name, namespace=self.namespace)
        apply(pod)
        if not once:
            until_running(self.name, self.namespace)
        self._follower.start()

    def open(self) -> None:
        """Wait until every session is open."""
        until(lambda: len(self.now()) == len(self.who), f"{len(self.who)} sessions to be open", OPEN_SECONDS)

    def now(self) -> dict[str, Outcome]:
        """What has been heard so far, by caller."""
        return read(self._follower.lines())

    @property
    def finals(self) -> int:
        """Finals so far."""
        return sum(len(outcome.finals) for outcome in self.now().values())

    def hear(self, more: int = 1, what: str = "") -> None:
        """Wait until so many more finals have come: what was broken works again."""
        before = self.finals
        until(lambda: self.finals >= before + more, what or f"{more} more finals", HEAR_SECONDS)

    def stop(self) -> list[Outcome]:
        """Let everybody finish, wait for what is owed; what each of them got."""
        execute(self.name, self.namespace, "python", "-c", "import os, signal; os.kill(1, signal.SIGTERM)")
        return self.end()

    def end(self, seconds: float = SETTLE_SECONDS) -> list[Outcome]:
        """Wait until everybody has finished; what each of them got."""
        until_ended(self.name, self.namespace, seconds)
        printed = kubectl("logs", self.name, "-n", self.namespace)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(printed)
        self._follower.stop()
        delete("pod", self.name, namespace=self.namespace, wait=False)
        outcomes = read(printed.splitlines())
        return [outcomes[one.name] for one in self.who]

    def judged(self, outcomes: Sequence[Outcome]) -> Verdict:
        """What they got, added up. Raises AssertionError as ``hearing.verdict`` does."""
        figures = verdict(outcomes, {one.name: one.target for one in self.who})
        say(f"  {self.name}: {figures}, {sum(outcome.resumed for outcome in outcomes)} resumptions")
        return figures

    def abandon(self) -> None:
        """Remove what is left, after a failure."""
        self._follower.stop()


class Follower:
    """Reads a pod's log as it is written; begins anew, from its first line, when the stream breaks."""

    def __init__(self, pod: str, namespace: str) -> None:
        self._command = (tool("kubectl"), "logs", "--follow", pod, "-n", namespace)
        self._lines: list[str] = []
        self._process: subprocess.Popen[str] | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"logs-{pod}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and wait for it."""
        self._stopping.set()
        if self._process is not None:
            self._process.terminate()
        if self._thread.is_alive():
            self._thread.join()

    def lines(self) -> list[str]:
        """All lines so far."""
        return list(self._lines)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._process = subprocess.Popen(
                self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
            )
            if self._stopping.is_set():
                self._process.terminate()
            assert self._process.stdout is not None
            found: list[str] = []
            for line in self._process.stdout:
                found.append(line)
                if len(found) > len(self._lines):
                    self._lines = found
            self._process.wait()
            # A whole log ends the stream too; asked again, it gives the same.
            self._stopping.wait(2.0)


@contextmanager
def speaking(load: Load, settings: Settings, *, avoid: str = "") -> Iterator[Load]:
    """Callers speak inside the block, from when all sessions are open; the block has to stop them."""
    load.start(settings, avoid=avoid)
    try:
        load.open()
        yield load
    finally:
        load.abandon()
