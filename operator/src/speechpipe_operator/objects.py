"""Names that the operator gives and reads: labels, annotations, field managers; and Kubernetes objects as JSON."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

Object = dict[str, Any]
"""A Kubernetes object as the API server takes it: camelCase JSON."""

GROUP: Final = "speechpipe.dev"
PLURAL: Final = "speechpipelines"

FIELD_MANAGER: Final = "speechpipe-operator"
"""Owns what the operator renders."""

SCALE_MANAGER: Final = "speechpipe-autoscaler"
"""Owns ``spec.replicas`` of workers, by server-side apply on ``/scale``: replicas have one owner."""

PIPELINE_LABEL: Final = f"{GROUP}/pipeline"
"""On every child and pod: the name of its pipeline. Watches select by it."""

COMPONENT_LABEL: Final = f"{GROUP}/component"
"""On every child and pod: the component it belongs to (redis, gateway, stt, translation)."""

MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"

CONFIG_ANNOTATION: Final = f"{GROUP}/config"
"""On pod templates: checksum of the configuration that the process reads only when it starts."""

DELETION_COST_ANNOTATION: Final = "controller.kubernetes.io/pod-deletion-cost"

CORDONED_ANNOTATION: Final = f"{GROUP}/cordoned"
"""On a worker's pod that has been told to claim no more: when, as RFC 3339."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """A child by kind and name, within its pipeline's namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def ref(obj: Object) -> Ref:
    """Kind and name of an object."""
    return Ref(obj["kind"], obj["metadata"]["name"])


def checksum(value: object) -> str:
    """Sixteen hex digits that change when ``value`` (anything JSON can hold) does; the order of keys does not count."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def child_name(pipeline: str, component: str) -> str:
    """Name of a component's main objects; a pipeline's name has 40 characters at most, so that this stays a label."""
    return f"{pipeline}-{component}"
