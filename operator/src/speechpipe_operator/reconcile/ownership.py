"""Whose an object is. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from speechpipe_operator.objects import PIPELINE_LABEL, Object
from speechpipe_operator.reconcile.cache import PipelineKey
from speechpipe_operator.spec import API_VERSION, KIND


@dataclass(frozen=True, slots=True)
class Owner:
    """The pipeline as owner of its children."""

    key: PipelineKey
    uid: str

    def reference(self) -> Object:
        """For ``metadata.ownerReferences``: children go when the pipeline goes, and nothing of it waits for them."""
        return {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.key.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }

    def adopt(self, obj: Object) -> Object:
        """``obj`` in the pipeline's namespace, with its label, controlled by it; the given one stays as it is."""
        metadata = {
            **obj["metadata"],
            "namespace": self.key.namespace,
            "labels": {**obj["metadata"].get("labels", {}), PIPELINE_LABEL: self.key.name},
            "ownerReferences": [self.reference()],
        }
        return {**obj, "metadata": metadata}

    def controls(self, references: Iterable[Object]) -> bool:
        """Whether, by its owner references, an object is ours."""
        return any(item.get("controller") and item["uid"] == self.uid for item in references)

    def was_namesakes(self, references: Iterable[Object]) -> bool:
        """Whether an object is another pipeline's of this name: one that is gone, since names are unique."""
        group = API_VERSION.partition("/")[0]
        return any(
            item.get("controller")
            and item["apiVersion"].partition("/")[0] == group
            and (item["kind"], item["name"]) == (KIND, self.key.name)
            and item["uid"] != self.uid
            for item in references
        )
