"""Reads from the API's own description (OpenAPI v3 of ``api/v1``) how each list of a pod template is merged."""

from typing import Any

ROOT = "io.k8s.api.core.v1.PodTemplateSpec"
Table = dict[str, dict[str, Any]]


def merge_table(document: dict[str, Any]) -> Table:
    """Path of each list that is merged by keys, with its keys and their defaults; every other list is replaced."""
    table: Table = {}
    _walk(document["components"]["schemas"], ROOT, "", table)
    return dict(sorted(table.items()))


def _walk(schemas: dict[str, Any], name: str, path: str, table: Table) -> None:
    for field, schema in schemas[name].get("properties", {}).items():
        here = f"{path}.{field}" if path else field
        target = _reference(schema)
        if schema.get("type") == "array":
            target = _reference(schema["items"])
            if target and schema.get("x-kubernetes-list-type") == "map":
                keys = schema["x-kubernetes-list-map-keys"]
                table[here] = _entry(schema, keys, schemas[target])
        if target:
            _walk(schemas, target, here, table)


def _entry(schema: dict[str, Any], keys: list[str], item: dict[str, Any]) -> dict[str, Any]:
    defaults = {key: item["properties"][key]["default"] for key in keys if item["properties"][key].get("default")}
    entry: dict[str, Any] = {"keys": keys}
    if defaults:
        entry["defaults"] = defaults
    if "retainKeys" in schema.get("x-kubernetes-patch-strategy", ""):
        entry["retainKeys"] = True
    return entry


def _reference(schema: dict[str, Any]) -> str | None:
    references = [schema, *schema.get("allOf", [])]
    found = [item["$ref"].rpartition("/")[2] for item in references if "$ref" in item]
    return found[0] if found else None
