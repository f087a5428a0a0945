"""Status and events: what is told to people through the API. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from speechpipe_operator.objects import Object
from speechpipe_operator.runtime.seen import Seen
from speechpipe_operator.spec import API_VERSION, KIND

CONTROLLER: Final = "speechpipe.dev/operator"
NOTE_LENGTH: Final = 1024
"""Characters that the API server takes."""

BAD_WHEN_TRUE: Final = frozenset({"Degraded"})
"""Conditions whose True is the trouble."""


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch (RFC 7386) that makes ``after`` of ``before``."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        old = before.get(name)
        if isinstance(value, Mapping) and isinstance(old, Mapping):
            if inner := merge_patch(old, value):
                patch[name] = inner
        elif name not in before or old != value:
            patch[name] = value
    return patch


def event_of(pipeline: Seen, condition: Mapping[str, Any], reporter: str, stamp: str) -> Object:
    """The Kubernetes event (events.k8s.io/v1) of a condition that has changed.

    Args:
        pipeline: what it is about.
        condition: as it is now.
        reporter: name of this process.
        stamp: now, as a MicroTime.
    """
    well = (condition["status"] == "True") != (condition["type"] in BAD_WHEN_TRUE)
    note = f"{condition['type']}={condition['status']}: {condition['message']}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"generateName": f"{pipeline.key.name}-", "namespace": pipeline.key.namespace},
        "eventTime": stamp,
        "reportingController": CONTROLLER,
        "reportingInstance": reporter[:128],
        "action": condition["type"],
        "reason": condition["reason"] or "Unknown",
        "type": "Normal" if well or condition["status"] == "Unknown" else "Warning",
        "note": note[:NOTE_LENGTH],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": pipeline.key.name,
            "namespace": pipeline.key.namespace,
            "uid": pipeline.uid,
        },
    }
