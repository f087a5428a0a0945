"""Names, labels and owners of what is rendered."""

from typing import Any, Final

from speechpipe_operator.objects import COMPONENT_LABEL, MANAGED_BY_LABEL, PIPELINE_LABEL, Object
from speechpipe_operator.render.context import Frame
from speechpipe_operator.spec import API_VERSION, KIND

SHARED: Final = "pipeline"
"""Component label of what belongs to all components together."""

MANAGER: Final = "speechpipe-operator"


def selector(frame: Frame, component: str) -> dict[str, str]:
    """The labels that select the pods of a component; they never change, since a selector can't."""
    return {PIPELINE_LABEL: frame.plan.name, COMPONENT_LABEL: component}


def labels(frame: Frame, component: str) -> dict[str, str]:
    """Labels of objects and pods. None holds a version: an upgrade of the operator alone must change no pod."""
    return {
        "app.kubernetes.io/name": "speechpipe",
        "app.kubernetes.io/instance": frame.plan.name,
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/part-of": "speechpipe",
        MANAGED_BY_LABEL: MANAGER,
        **selector(frame, component),
    }


def owner(frame: Frame) -> Object:
    """Owner reference to the pipeline, so that its children go with it.

    ``blockOwnerDeletion`` is left out: setting it needs a further permission on clusters that check it.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": frame.plan.name,
        "uid": frame.context.uid,
        "controller": True,
    }


def made(
    frame: Frame,
    component: str,
    kind: tuple[str, str],
    name: str,
    *,
    annotations: dict[str, str] | None = None,
    **content: Any,  # noqa: ANN401 - JSON
) -> Object:
    """An object of ``kind`` (API version and kind) with our labels and owner; ``content`` is the rest, as ``spec``."""
    metadata: Object = {"name": name, "namespace": frame.context.namespace, "labels": labels(frame, component)}
    if annotations:
        metadata["annotations"] = annotations
    metadata["ownerReferences"] = [owner(frame)]
    version, what = kind
    return {"apiVersion": version, "kind": what, "metadata": metadata, **content}


def present(**fields: Any) -> Object:  # noqa: ANN401 - JSON
    """The fields that are not None: what is not said is not owned either."""
    return {name: value for name, value in fields.items() if value is not None}
