"""podTemplate: what users change of the pods that are rendered, so that they are never stuck; and what they may not."""

from collections.abc import Iterator
from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import GROUP, Object
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.errors import TemplateError
from speechpipe_operator.render.strategic import MergeError, strategic_merge
from speechpipe_operator.shards import is_redis
from speechpipe_operator.spec import PodTemplate
from speechpipe_operator.spec.base import WIRED

OURS: Final = WIRED | {"REDIS_PASSWORD", "REDISCLI_AUTH", "PREVIOUS"}
"""Variables that a template may not set in our containers."""

CONTAINERS: Final = ("containers", "initContainers")
Problem = tuple[str, str]
"""Place within the template, and a sentence."""


def merged(frame: Frame, component: Component, rendered: Object) -> Object:
    """A rendered pod template with the pipeline's podTemplate and then the component's merged over it.

    Raises:
        TemplateError: one of them says what it may not, or does not fit.
    """
    section = "redis.managed" if is_redis(component.name) else component.name
    layers = {
        "spec.podTemplate": frame.pipeline.spec.pod_template,
        f"spec.{section}.podTemplate": component.pods.template,
    }
    result = rendered
    for place, template in layers.items():
        if not template:
            continue
        try:
            problem = next(_refused(template, rendered), None)
            changed = strategic_merge(result, template, place)
        except MergeError as error:
            raise TemplateError(component.name, error.place, error.message) from error
        problem = problem or next(_broken(changed, rendered), None)
        if problem is not None:
            where, what = problem
            raise TemplateError(component.name, f"{place}.{where}", what)
        result = changed
    return result


def _refused(template: PodTemplate, rendered: Object) -> Iterator[Problem]:
    """What a template must not say, whatever it is merged over."""
    metadata, spec = template.get("metadata", {}), template.get("spec", {})
    for name in metadata.keys() - {"labels", "annotations"}:
        yield f"metadata.{name}", "only labels and annotations of pods can be set"
    for part in ("labels", "annotations"):
        for name in metadata.get(part) or ():
            if str(name).startswith(f"{GROUP}/"):
                yield f"metadata.{part}.{name}", "belongs to the operator; remove it"
    if "ephemeralContainers" in spec:
        yield "spec.ephemeralContainers", "belongs to running pods, not to a template; remove it"
    for index, volume in _entries(spec, "volumes"):
        if "hostPath" in volume:
            yield (
                f"spec.volumes[{index}].hostPath",
                "the node's own files are out of bounds; use a claim, an image (modelCache.image) or an emptyDir",
            )
    ours = {name: {entry["name"] for entry in rendered["spec"].get(name, ())} for name in CONTAINERS}
    for part in CONTAINERS:
        for index, container in _entries(spec, part):
            yield from _refused_in(container, f"spec.{part}[{index}]", str(container.get("name")) in ours[part])


def _refused_in(container: Object, place: str, ours: bool) -> Iterator[Problem]:
    security = container.get("securityContext")
    if isinstance(security, dict) and security.get("privileged"):
        yield f"{place}.securityContext.privileged", "no container of a pipeline may be privileged; remove it"
    if not ours:
        return
    for index, variable in _entries(container, "env"):
        if str(variable.get("name")) in OURS:
            yield f"{place}.env[{index}]", f"{variable['name']} is set by the pipeline itself; remove it here"


def _broken(changed: Object, rendered: Object) -> Iterator[Problem]:
    """What must be left of the rendered template after merging: a selector finds the pods, our processes run."""
    labels = changed.get("metadata", {}).get("labels", {})
    for name, value in rendered["metadata"]["labels"].items():
        if name.startswith(f"{GROUP}/") and labels.get(name) != value:
            yield f"metadata.labels.{name}", "is gone, and the selector would no longer find the pods; keep the labels"
    for part in CONTAINERS:
        left = {entry["name"]: entry for entry in changed.get("spec", {}).get(part, ())}
        for container in rendered["spec"].get(part, ()):
            name = container["name"]
            if name not in left:
                yield f"spec.{part}", f"the container {name} can be changed, not removed"
            elif not left[name].get("command"):
                yield f"spec.{part}", f"the container {name} needs its command; leave it out here to keep it"
            elif missing := _variables(container) - _variables(left[name]):
                yield f"spec.{part}", f"the container {name} needs {', '.join(sorted(missing))}; keep its env"


def _variables(container: Object) -> frozenset[str]:
    return OURS & {entry["name"] for entry in container.get("env", ())}


def _entries(parent: Object, name: str) -> Iterator[tuple[int, Object]]:
    found = parent.get(name)
    for index, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, dict):
            yield index, entry
