"""Weights get into pods without the internet."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kubectl import apply, delete, get
from load import Load, Speaker
from pipelines import MODELS, WEIGHTS, Pipeline
from pods import plain_pod, until_ended
from settings import Settings
from speech import Clip
from volumes import Volumes

CLAIM = "weights"
FILL_SECONDS = 300.0

pytestmark = [pytest.mark.pipeline, pytest.mark.timeout(1200)]


@pytest.fixture
def filled(namespace: str, settings: Settings, volumes: Volumes, nodes: list[str]) -> Iterator[str]:
    """A claim whose volume holds the weights: a pod of the user's has put them there."""
    volumes.make(namespace, CLAIM, nodes[0])
    asked = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": volumes.storage_class,
        "resources": {"requests": {"storage": "512Mi"}},
    }
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM, "namespace": namespace}}
    copy = ("sh", "-c", f"cp -R {WEIGHTS}/. {MODELS}/")
    pod = plain_pod("fill", namespace, settings.model_image("tiny.en"), copy)
    pod["spec"]["volumes"].append({"name": "models", "persistentVolumeClaim": {"claimName": CLAIM}})
    pod["spec"]["containers"][0]["volumeMounts"].append({"name": "models", "mountPath": MODELS})
    apply(claim | {"spec": asked}, pod)
    until_ended("fill", namespace, FILL_SECONDS)
    delete("pod", "fill", namespace=namespace)
    yield CLAIM
    delete("persistentvolumeclaim", CLAIM, namespace=namespace, wait=False)


def said(pipeline: Pipeline, settings: Settings, clip: Clip, folder: Path) -> str:
    """What comes of one clip; it must be what was said."""
    load = Load("speak", pipeline.namespace, [Speaker("client", (clip,))], pipeline.url, folder)
    load.start(settings, once=True)
    outcomes = load.end()
    figures = load.judged(outcomes)
    assert figures.clean, figures
    return outcomes[0].text


def test_weights_come_in_an_image(
    pipeline: Pipeline, settings: Settings, clips: list[Clip], folder: Path, report: Callable[[str], None]
) -> None:
    """An init container copies the weights out of an image, and a worker that may fetch nothing decodes with them."""
    text = said(pipeline, settings, clips[0], folder)
    (pod,) = pipeline.staying("stt")
    (copied,) = pod["spec"]["initContainers"]
    report(f"weights of {copied['image']}: {text!r}")
    assert copied["image"] == settings.model_image("tiny.en")
    assert {"name": "MODEL_OFFLINE", "value": "true"} in pod["spec"]["containers"][0]["env"]


def test_weights_come_in_a_filled_volume(
    pipeline: Pipeline,
    settings: Settings,
    clips: list[Clip],
    filled: str,
    folder: Path,
    report: Callable[[str], None],
) -> None:
    """A worker that may fetch nothing decodes with weights that somebody has put into a volume before."""
    before = json.dumps(get("pvc", filled, pipeline.namespace)["spec"])
    pipeline.change(stt={"modelCache": {"image": None, "pvc": {"claimName": filled}}})
    pipeline.until_healthy()
    text = said(pipeline, settings, clips[0], folder)
    (pod,) = pipeline.staying("stt")
    report(f"weights of claim {filled}: {text!r}")
    assert "initContainers" not in pod["spec"]
    assert json.dumps(get("pvc", filled, pipeline.namespace)["spec"]) == before
