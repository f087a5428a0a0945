"""What the state of an object means. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Json = dict[str, Any]


def condition(thing: Mapping[str, Any], kind: str) -> Json:
    """A condition of an object; empty where it has none of that kind."""
    found: Sequence[Json] = thing.get("status", {}).get("conditions") or ()
    return next((item for item in found if item["type"] == kind), {})


def is_true(thing: Mapping[str, Any], kind: str) -> bool:
    """Whether a condition says True."""
    return bool(condition(thing, kind).get("status") == "True")


def serving(pod: Mapping[str, Any]) -> bool:
    """Whether a pod is ready and stays."""
    return is_true(pod, "Ready") and "deletionTimestamp" not in pod["metadata"]


def waits_for_a_node(pod: Mapping[str, Any]) -> bool:
    """Whether the scheduler has found no node for it."""
    return condition(pod, "PodScheduled").get("reason") == "Unschedulable"


def healthy(pipeline: Mapping[str, Any]) -> bool:
    """Whether a SpeechPipeline is Ready, at rest, and says so about the spec that it has."""
    status = pipeline.get("status", {})
    return (
        status.get("observedGeneration") == pipeline["metadata"]["generation"]
        and is_true(pipeline, "Ready")
        and condition(pipeline, "Progressing").get("status") == "False"
        and all(ready == desired for ready, desired in counts(pipeline).values())
    )


def counts(pipeline: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Ready and desired pods by component, as the status has them."""
    status = pipeline.get("status", {})
    parts = {name: status[name] for name in ("gateway", "stt", "translation") if name in status}
    return {name: (part["ready"], part["desired"]) for name, part in parts.items()}


def summary(pipeline: Mapping[str, Any]) -> str:
    """A status on one line, as ``kubectl get sp -o wide`` would say it."""
    status = pipeline.get("status", {})
    shown = [f"{name} {ready}/{desired}" for name, (ready, desired) in counts(pipeline).items()]
    told = [
        f"{item['type']}={item['status']} {item['reason']}: {item['message']}"
        for item in status.get("conditions", ())
        if (item["type"] == "Degraded") == (item["status"] == "True") or item["status"] == "Unknown"
    ]
    wrong = [line for line in told if not line.startswith(("Ready=True", "ScalingActive=True"))]
    return f"{status.get('reason', 'no status')}; {', '.join(shown)}" + "".join(f"; {line}" for line in wrong)


def names(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """Their names, sorted."""
    return sorted(item["metadata"]["name"] for item in objects)
