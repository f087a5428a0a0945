"""SpeechPipelines as they were seen last, kept small: a thousand parsed documents would be most of the memory."""

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from speechpipe_operator.objects import Object
from speechpipe_operator.reconcile import PipelineKey

_KEPT: Final = ("name", "namespace", "uid", "generation", "resourceVersion", "labels", "deletionTimestamp")
"""Of the metadata; managedFields alone is larger than the spec."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One SpeechPipeline."""

    key: PipelineKey
    uid: str
    version: int
    """resourceVersion."""
    generation: int
    deleting: bool
    document: bytes
    """JSON without status."""
    status: bytes
    """JSON."""

    def body(self) -> Object:
        """The resource without its status."""
        found: Object = json.loads(self.document)
        return found

    def previous(self) -> dict[str, Any]:
        """The status as it stands there."""
        found: dict[str, Any] = json.loads(self.status)
        return found

    def same_wish(self, other: "Seen") -> bool:
        """Whether both ask for the same."""
        return (self.uid, self.generation, self.deleting) == (other.uid, other.generation, other.deleting)

    def with_status(self, status: dict[str, Any], version: int) -> "Seen":
        """After the status was written."""
        return replace(self, status=_compact(status), version=version)


def seen(obj: Object) -> Seen:
    """What is kept of a watched SpeechPipeline."""
    metadata = obj["metadata"]
    document = {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "metadata": {name: metadata[name] for name in _KEPT if name in metadata},
        "spec": obj.get("spec", {}),
    }
    return Seen(
        key=PipelineKey(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 0)),
        deleting="deletionTimestamp" in metadata,
        document=_compact(document),
        status=_compact(obj.get("status") or {}),
    )


def _compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
