"""The SpeechPipelines that the suite runs: small enough for two cores, and nothing from the internet."""

import copy
from collections.abc import Mapping
from typing import Any

from kubectl import Json, delete, get, items, patch
from progress import until
from settings import Settings
from states import condition, healthy, summary

from speechpipe_operator.plan_pods import VALKEY_TAG

READY_SECONDS = 420.0
LABEL = "speechpipe.dev/pipeline"
COMPONENT = "speechpipe.dev/component"
PAUSE_MILLISECONDS = 3000
"""Silence that ends an utterance, long: a caller that a busy machine holds up for a moment has not paused yet."""
MODELS = "/models"
"""Where a pipeline's pods have their models."""
WEIGHTS = "/weights"
"""Where the images of models have them."""

SMALL: Json = {"requests": {"cpu": "20m", "memory": "128Mi"}}
GATEWAY_ENV = {"PARTIAL_INTERVAL_SECONDS": "1", "RESUBMIT_SECONDS": "5", "DRAIN_SECONDS": "5", "LOG_LEVEL": "info"}
WORKER_ENV = {"CLAIM_IDLE_SECONDS": "2", "DRAIN_SECONDS": "10"}
STT_ENV = WORKER_ENV | {"CPU_THREADS": "1"}


def model(name: str, settings: Settings) -> Json:
    """``spec.stt`` for a Whisper model that comes in an image."""
    image = {"reference": settings.model_image(name), "path": WEIGHTS}
    return {"model": f"{MODELS}/whisper-{name}", "modelCache": {"image": image}}


def document(name: str, namespace: str, settings: Settings, storage_class: str, **spec: Any) -> Json:
    """A pipeline of one gateway and one worker with tiny.en, and what ``spec`` says besides, merged by key."""
    base: Json = {
        "languages": {"source": "en", "targets": []},
        "images": {
            "registry": settings.registry,
            "tag": settings.tag,
            "redis": settings.valkey or f"{settings.registry}/valkey:{VALKEY_TAG}",
        },
        "redis": {
            "managed": {
                "memory": "64Mi",
                "storage": {"size": "512Mi", "storageClassName": storage_class},
                "resources": {"requests": {"cpu": "20m"}},
            }
        },
        "gateway": {
            "replicas": 1,
            "auth": {"mode": "none"},
            "vad": {"silenceThresholdMilliseconds": PAUSE_MILLISECONDS},
            "env": GATEWAY_ENV,
            "resources": SMALL,
        },
        "stt": {
            "device": "cpu",
            "computeType": "int8",
            "beamSize": 1,
            "offline": True,
            "env": STT_ENV,
            "resources": SMALL,
            **model("tiny.en", settings),
        },
    }
    return {
        "apiVersion": "speechpipe.dev/v1alpha1",
        "kind": "SpeechPipeline",
        "metadata": {"name": name, "namespace": namespace},
        "spec": merged(base, spec),
    }


def merged(under: Json, over: Mapping[str, Any]) -> Json:
    """``under`` with what ``over`` says; mappings are merged, None removes, everything else is replaced."""
    result = copy.deepcopy(under)
    for key, value in over.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = copy.deepcopy(value)
    return result


def translation() -> Json:
    """``spec.translation``: rules, no weights."""
    return {"engine": "apertium", "replicas": 1, "env": WORKER_ENV, "resources": SMALL}


def translated(_: Settings) -> Json:
    """The spec of a pipeline with every component."""
    return {"translation": translation()}


def claim(name: str) -> str:
    """The claim of a pipeline's Redis."""
    return f"data-{name}-redis-0"


class Pipeline:
    """A pipeline in the cluster."""

    def __init__(self, name: str, namespace: str) -> None:
        self.name = name
        self.namespace = namespace

    @property
    def url(self) -> str:
        """Where clients in any namespace connect."""
        return f"ws://{self.name}-gateway.{self.namespace}.svc:80/ws"

    def get(self) -> Json:
        """The resource as it is."""
        return get("speechpipelines", self.name, self.namespace)

    def status(self) -> Json:
        """Its status; empty before the first."""
        found: Json = self.get().get("status", {})
        return found

    def condition(self, kind: str) -> Json:
        """One of its conditions."""
        return condition(self.get(), kind)

    def until_healthy(self, seconds: float = READY_SECONDS) -> None:
        """Wait until it is Ready, at rest and whole."""
        until(lambda: healthy(self.get()), f"pipeline {self.name} to be whole", seconds, lambda: summary(self.get()))

    def pods(self, component: str = "") -> list[Json]:
        """Its pods, or those of one component, also while they end."""
        chosen = f"{LABEL}={self.name}" + (f",{COMPONENT}={component}" if component else "")
        return items("pods", self.namespace, chosen)

    def staying(self, component: str = "") -> list[Json]:
        """Its pods, or those of one component, that nobody has told to end."""
        return [pod for pod in self.pods(component) if "deletionTimestamp" not in pod["metadata"]]

    def change(self, **spec: Any) -> None:
        """Change fields of its spec, merged by key; None removes one."""
        patch("speechpipelines", self.name, {"spec": spec}, self.namespace)

    def remove(self) -> None:
        """Delete it with its claim; that takes the time that its pods take to end, and nobody waits for it."""
        delete("speechpipelines", self.name, namespace=self.namespace, wait=False)
        delete("persistentvolumeclaims", claim(self.name), namespace=self.namespace, wait=False)
