"""What the tests of faults share: people speak, something breaks, the status tells of it, nothing is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hearing import Outcome
from kubectl import Json, delete, execute, find, get, kubectl
from load import Load, speakers, speaking
from pipelines import Pipeline
from progress import say, until
from settings import Settings
from speech import Clip
from states import names, serving
from story import Recorder

CALLERS = 2
REPLACED_SECONDS = 240.0
MENDED_SECONDS = 120.0
SESSIONS = """
import re, urllib.request
page = urllib.request.urlopen("http://127.0.0.1:8080/metrics", timeout=20).read().decode()
print(re.search(r"^speechpipe_sessions (\\S+)", page, re.M)[1])
"""
"""Prints how many sessions the gateway owns in whose pod it runs."""


@dataclass
class Scene:
    """A pipeline under load, watched."""

    pipeline: Pipeline
    load: Load
    recorder: Recorder

    well: bool = False
    """Whether captions came after the last thing that was broken."""

    def before(self, what: str) -> None:
        """All is well, and said to be; from here on the status is about what follows."""
        say(f"  {what}")
        self.pipeline.until_healthy()
        assert self.pipeline.condition("Degraded")["status"] == "False"
        if not self.well:
            self.load.hear()
        self.well = False
        self.recorder.story.mark()

    def after(self) -> None:
        """Wait until the pipeline is whole again and captions come."""
        self.pipeline.until_healthy()
        self.load.hear(CALLERS)
        self.well = True


class Stage:
    """Lets people speak to a pipeline; a fixture gives it to each test.

    Args:
        pipeline: whole.
        settings: images.
        clips: what is said.
        folder: of the test.
    """

    def __init__(self, pipeline: Pipeline, settings: Settings, clips: list[Clip], folder: Path) -> None:
        self.pipeline = pipeline
        self._settings = settings
        self._clips = clips
        self._folder = folder
        self.figures: list[str] = []
        self.resumed = 0

    @contextmanager
    def played(self, name: str = "load", *, avoid: str = "") -> Iterator[Scene]:
        """Callers speak inside the block and finish at its end; a final or translation lost or doubled is an error.

        Args:
            name: of the pod.
            avoid: node that they are not on.
        """
        who = speakers(CALLERS, self._clips, target="es")
        load = Load(name, self.pipeline.namespace, who, self.pipeline.url, self._folder)
        file = self._folder / "status.jsonl"
        with (
            Recorder(self.pipeline.name, self.pipeline.namespace, file) as recorder,
            speaking(load, self._settings, avoid=avoid),
        ):
            yield Scene(self.pipeline, load, recorder)
            outcomes: list[Outcome] = load.stop()
        figures = load.judged(outcomes)
        resumed = sum(outcome.resumed for outcome in outcomes)
        self.resumed += resumed
        self.figures.append(f"{figures}, {resumed} resumptions")
        assert figures.clean, figures


def kill_pod(pod: Json, *, at_once: bool) -> None:
    """Delete a pod, with its time to end or without any."""
    force = ("--grace-period=0", "--force") if at_once else ()
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    say(f"  delete pod {name} {' '.join(force)}")
    kubectl("delete", "pod", name, "-n", namespace, "--wait=false", *force)


def until_replaced(pipeline: Pipeline, component: str, before: list[Json]) -> None:
    """Wait until none of these pods is left and as many others serve."""
    old = {pod["metadata"]["uid"] for pod in before}

    def replaced() -> bool:
        now = pipeline.pods(component)
        return not old & {p["metadata"]["uid"] for p in now} and sum(map(serving, now)) == len(before)

    until(replaced, f"new {component} pods", REPLACED_SECONDS, lambda: names(pipeline.pods(component)))


def until_mended(pipeline: Pipeline) -> None:
    """Delete something that harms nobody and that the operator has to make again; wait until it has."""
    name = f"{pipeline.name}-gateway"
    before = get("pdb", name, pipeline.namespace)["metadata"]["uid"]
    delete("pdb", name, namespace=pipeline.namespace)

    def mended() -> bool:
        found = find("pdb", name, pipeline.namespace)
        return found is not None and found["metadata"]["uid"] != before

    until(mended, "the next operator to mend what was deleted", MENDED_SECONDS)


def busy_gateway(pipeline: Pipeline) -> Json:
    """A gateway that has clients, as its own metrics say."""

    def sessions(pod: Json) -> float:
        page = execute(pod["metadata"]["name"], pipeline.namespace, "python", "-c", SESSIONS)
        return float(page)

    def find() -> Json | None:
        return next((pod for pod in pipeline.staying("gateway") if serving(pod) and sessions(pod)), None)

    return until(find, "a gateway with clients", REPLACED_SECONDS)


def uids(pods: list[Json]) -> set[str]:
    """Which pods these are."""
    return {pod["metadata"]["uid"] for pod in pods}


@contextmanager
def drained(node: str) -> Iterator[None]:
    """A node is drained when the block begins, and takes pods again at its end."""
    say(f"  drain {node}")
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
    try:
        kubectl("drain", node, *options, seconds=240)
        yield
    finally:
        say(f"  uncordon {node}")
        kubectl("uncordon", node)
