"""Drift without keeping whole objects: what a live object says in the fields that are ours, as a short hash. Pure.

The API server records who owns which field (``managedFields``). Whoever else changes a field takes it from us, so both
the values and the set of our fields change with any drift, while what others add changes neither.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from speechpipe_operator.objects import FIELD_MANAGER, Object, checksum

_NOISE: Final = ("managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink")
"""Metadata that changes, or differs, without anybody's wish."""

Fields = Mapping[str, Any]
"""``fieldsV1`` of an entry of managedFields, or a part of it."""


def owned_fields(obj: Object, manager: str = FIELD_MANAGER) -> Fields | None:
    """What ``manager`` owns by server-side apply; None where the API server has no record of it."""
    for entry in obj["metadata"].get("managedFields") or ():
        if entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource"):
            fields: Fields = entry.get("fieldsV1") or {}
            return fields
    return None


def fingerprint(obj: Object) -> str:
    """Changes when a field of ours does, or is no longer ours. ``spec.replicas`` is left out: others own it.

    Without a record (some admission webhooks strip it) all that is not status counts.
    """
    fields = owned_fields(obj)
    if fields is not None:
        spec = {step: below for step, below in fields.get("f:spec", {}).items() if step != "f:replicas"}
        return checksum(_owned(obj, {**fields, "f:spec": spec} if "f:spec" in fields else fields))
    rest = {key: value for key, value in _without_replicas(obj).items() if key != "status"}
    rest["metadata"] = {key: value for key, value in obj["metadata"].items() if key not in _NOISE}
    return checksum(rest)


def keeps_replicas(obj: Object) -> bool:
    """Whether the number of replicas stays when we apply without it: somebody else owns it too, or we do not own it.

    The API server resets a field to its default (1) when its only owner drops it.
    """
    owners = set()
    for entry in obj["metadata"].get("managedFields") or ():
        if "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {}):
            owners.add((entry.get("manager"), entry.get("operation")))
    ours = {(FIELD_MANAGER, "Apply")}
    return not owners & ours or bool(owners - ours)


def foreign_containers(obj: Object) -> tuple[str, ...]:
    """Containers of the pod template that are not in what we own, init containers too; none without a record."""
    fields = owned_fields(obj)
    if fields is None:
        return ()
    template: Any = obj
    for step in ("spec", "template", "spec"):
        fields, template = (fields or {}).get(f"f:{step}"), (template or {}).get(step)
    found = []
    for group in ("initContainers", "containers"):
        ours = {_key(key)["name"] for key in ((fields or {}).get(f"f:{group}") or {}) if key.startswith("k:")}
        found += [item["name"] for item in (template or {}).get(group) or () if item["name"] not in ours]
    return tuple(found)


def _without_replicas(obj: Object) -> Object:
    spec = obj.get("spec")
    if not isinstance(spec, dict) or "replicas" not in spec:
        return obj
    return {**obj, "spec": {key: value for key, value in spec.items() if key != "replicas"}}


def _owned(value: Any, fields: Fields) -> Any:  # noqa: ANN401 - any JSON
    """The part of ``value`` that ``fields`` name (structured-merge-diff, fieldpath: ``f:`` a field, ``k:`` an item of
    a list by its keys, ``v:`` an item of a set, ``i:`` an item by its place, ``.`` the thing itself).
    """
    if not fields:
        return value
    return dict(_parts(value, fields))


def _parts(value: Any, fields: Fields) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON
    for step, below in fields.items():
        kind, _, rest = step.partition(":")
        if step == ".":
            yield step, value is not None
        elif kind == "f":
            yield step, _owned(value.get(rest) if isinstance(value, dict) else None, below)
        elif kind == "k":
            yield step, _owned(_item(value, json.loads(rest)), below)
        elif kind == "v":
            yield step, isinstance(value, list) and json.loads(rest) in value
        else:
            index = int(rest)
            yield step, _owned(value[index] if isinstance(value, list) and index < len(value) else None, below)


def _item(value: Any, keys: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    items = value if isinstance(value, list) else []
    return next((item for item in items if all(item.get(name) == wanted for name, wanted in keys.items())), None)


def _key(step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(step.partition(":")[2])
    return found
