"""Workers come with the work, as many as there are GPUs, and go when it goes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from gpus import GPU, pretended
from kubectl import Json
from load import Load, Speaker, speakers, speaking
from pipelines import Pipeline
from progress import until
from settings import Settings
from speech import Clip
from states import condition, is_true, serving, summary, waits_for_a_node
from story import Recorder

pytestmark = pytest.mark.timeout(1800)

CALLERS = 3
SCALED_SECONDS = 300.0
BAR_SECONDS = 5.0
"""From a worker's being ready to the first words, after there was none."""
CLOCK_SECONDS = 1.0
"""The API server keeps the time of readiness in whole seconds, rounded down."""

QUICK: Json = {
    "minReplicas": 1,
    "maxReplicas": 4,
    # Few people speak here: such wishes make three of them want more than four workers.
    "drainSeconds": 1,
    "utilizationPercent": 10,
    "speedPercent": 100,
    "stabilizationSeconds": 10,
    "cooldownSeconds": 15,
    "scaleDownPercent": 100,
}


def on_gpus(settings: Settings, **stt: Any) -> Json:
    """The spec of a pipeline whose workers want a GPU each."""
    images = {"stt": settings.image("stt")}  # on a real GPU it would be the one with NVIDIA's libraries
    return {"images": images, "stt": {"gpu": {"resourceName": GPU}, "device": "auto", **stt}}


def slow(settings: Settings) -> Json:
    """Slow workers, whatever the machine, so that a few people are more than they can do."""
    return on_gpus(settings, autoscaling=QUICK, resources={"limits": {"cpu": "400m"}}, beamSize=5)


def resting(settings: Settings) -> Json:
    """None where there is nothing to do."""
    return on_gpus(settings, autoscaling=QUICK | {"minReplicas": 0, "cooldownSeconds": 5})


@pytest.fixture(scope="module", autouse=True)
def gpus(nodes: list[str]) -> Iterator[None]:
    """Two nodes have one each."""
    with pretended(nodes[:2]):
        yield


@dataclass
class Crowd:
    """The most workers that were seen at once since ``forget``."""

    pipeline: Pipeline
    placed: int = 0
    waiting: int = 0

    def forget(self) -> None:
        """Begin anew."""
        self.placed = self.waiting = 0

    def look(self) -> list[Json]:
        """Count them; the workers."""
        pods = self.pipeline.staying("stt")
        self.placed = max(self.placed, sum(is_true(pod, "PodScheduled") for pod in pods))
        self.waiting = max(self.waiting, sum(waits_for_a_node(pod) for pod in pods))
        return pods


@pytest.mark.pipeline(spec=slow)
def test_workers_come_up_to_the_gpus_and_go_again(
    pipeline: Pipeline, settings: Settings, clips: list[Clip], folder: Path, report: Callable[[str], None]
) -> None:
    """With two GPUs and a maximum of four, two work and at most one waits, and the status says why not four; when the
    work is gone one is left. No final is lost or doubled.
    """
    crowd = Crowd(pipeline)
    load = Load("load", pipeline.namespace, speakers(CALLERS, clips), pipeline.url, folder)
    with Recorder(pipeline.name, pipeline.namespace, folder / "status.jsonl") as recorder:
        with speaking(load, settings):
            until(lambda: starved(crowd), "two workers that work and one that waits", SCALED_SECONDS, crowd.look)
            said = pipeline.get()
            # Until the scheduler has said that there is no GPU, nobody knows: a moment before, two may have waited.
            crowd.forget()
            recorder.until_said("ScalingActive", "True", "GpuStarved")
            for _ in range(3):
                load.hear(CALLERS)
                crowd.look()
            figures = load.judged(load.stop())
        until(lambda: len(crowd.look()) == 1, "one worker to be left", SCALED_SECONDS, lambda: summary(pipeline.get()))
        pipeline.until_healthy()
    stt = said["status"]["stt"]
    report(f"at most {crowd.placed} placed and {crowd.waiting} waiting; {figures}")
    report(f"why not 4: {stt['reason']}: {stt['detail']}; {condition(said, 'SttReady')['message']}")
    assert (crowd.placed, crowd.waiting) == (2, 1)
    assert stt["reason"] == "GpuStarved"
    assert GPU in condition(said, "SttReady")["message"]
    assert figures.clean, figures


def starved(crowd: Crowd) -> bool:
    """Whether two work, one waits, and the status has noticed."""
    pods = crowd.look()
    status = crowd.pipeline.status().get("stt", {})
    return sum(map(serving, pods)) == 2 and any(map(waits_for_a_node, pods)) and status.get("reason") == "GpuStarved"


@pytest.mark.pipeline(spec=resting, ahead=False)  # the GPUs are the other test's
def test_the_first_words_after_none_wait_for_a_worker_alone(
    pipeline: Pipeline, settings: Settings, clips: list[Clip], folder: Path, report: Callable[[str], None]
) -> None:
    """Without work there is no worker where none is asked for; the first words then come within 5 s of the worker that
    comes for them, whole.
    """
    until(lambda: not pipeline.pods("stt"), "no worker to be left", SCALED_SECONDS, lambda: summary(pipeline.get()))
    until(lambda: pipeline.condition("SttReady").get("reason") == "ScaledToZero", "SttReady=True ScaledToZero", 60)
    load = Load("first", pipeline.namespace, [Speaker("first", (clips[0],))], pipeline.url, folder)
    load.start(settings, once=True)
    pods = until(
        lambda: [pod for pod in pipeline.pods("stt") if serving(pod)], "a worker", SCALED_SECONDS, pipeline.status
    )
    outcomes = load.end()
    figures = load.judged(outcomes)
    ready = datetime.fromisoformat(condition(pods[0], "Ready")["lastTransitionTime"]).timestamp()
    made = datetime.fromisoformat(pods[0]["metadata"]["creationTimestamp"]).timestamp()
    first = outcomes[0].first_caption()
    assert first is not None
    report(f"first words {first - ready:.1f} s after the worker was ready, which took {ready - made:.0f} s; {figures}")
    assert figures.clean, figures
    assert first - ready <= BAR_SECONDS + CLOCK_SECONDS
