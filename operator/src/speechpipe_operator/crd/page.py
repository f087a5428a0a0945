"""``docs/resource.md``: every field with its type, default, bounds and meaning, out of the schema itself."""

from collections.abc import Iterator
from typing import Any, Final

from speechpipe_operator.crd.definition import schema
from speechpipe_operator.crd.schema import Schema
from speechpipe_operator.spec import KIND
from speechpipe_operator.spec.base import DNS_NAME
from speechpipe_operator.spec.exposure import HOST
from speechpipe_operator.spec.kubernetes import NAMESPACE
from speechpipe_operator.spec.rules import VALIDATIONS

_HEAD: Final = f"""\
<!-- Generated from operator/src/speechpipe_operator/spec by `make generate`; do not edit. -->

# The {KIND} resource

Every field of `{KIND}`, as the API server and `speechpipe up` check it. `kubectl explain sp.spec.stt` says the same
about the definition that a cluster has. Examples: [minimal](../examples/minimal.yaml), [with GPUs, scaling and an
Ingress](../examples/cluster.yaml), [on one machine](../examples/local.yaml).

A field without a default may be left out and then has no effect, unless it is required.
"""
_TYPES: Final = {"integer": "whole number", "boolean": "true or false", "object": "mapping"}
_CALLED: Final = {DNS_NAME: "DNS name", NAMESPACE: "name of a namespace", HOST: "host name"}
"""Patterns that have a name."""
_OPEN: Final = "x-kubernetes-preserve-unknown-fields"


def page() -> str:
    """The page."""
    whole = schema()
    lines = [_HEAD, "## metadata", ""]
    lines += _rules({VALIDATIONS: [item for item in whole[VALIDATIONS] if "metadata" in item["rule"]]})
    for part in ("spec", "status"):
        lines += _sections(part, whole["properties"][part])
    return "\n".join(lines)


def _sections(place: str, schema: Schema) -> Iterator[str]:
    """A section for a mapping, and then one for each mapping in it."""
    yield from (f"## {place}", "", schema["description"], "")
    yield from ("| field | type | default | meaning |", "|---|---|---|---|")
    parts = schema["properties"]
    for name, part in parts.items():
        row = (f"`{name}`", _type(part), _default(name, schema), part["description"])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
    yield ""
    yield from _rules(schema)
    for name, part in parts.items():
        inner = part.get("items", part)
        if "properties" in inner and not _is_pod_template(inner):
            yield from _sections(f"{place}.{name}{'[]' if 'items' in part else ''}", inner)


def _rules(schema: Schema) -> list[str]:
    rules = schema.get(VALIDATIONS, [])
    return [*(f"- Rule: {item['message']}." for item in rules), ""] if rules else []


def _is_pod_template(schema: Schema) -> bool:
    return any(_OPEN in part for part in schema["properties"].values())


def _type(schema: Schema) -> str:
    if "items" in schema:
        return f"list of {_type(schema['items'])}{_most(schema, 'maxItems')}"
    if "additionalProperties" in schema:
        return f"mapping to {_type(schema['additionalProperties'])}{_most(schema, 'maxProperties')}"
    if "properties" in schema and _is_pod_template(schema):
        return "pod template"
    if "x-kubernetes-int-or-string" in schema:
        return "quantity"
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("format") == "date-time":
        return "time"
    if schema.get("pattern") in _CALLED:
        return _CALLED[schema["pattern"]]
    kind = _TYPES.get(schema["type"], "text")
    return " ".join([kind, *_bounds(schema)])


def _bounds(schema: Schema) -> Iterator[str]:
    if "minimum" in schema:
        yield f"from {schema['minimum']}"
    if schema.get("maximum", 2**31) < 2**31 - 1:
        yield f"to {schema['maximum']}"
    if "pattern" in schema:
        yield f"that matches `{schema['pattern']}`"
    if "maxLength" in schema:
        yield f"of at most {schema['maxLength']} characters"


def _most(schema: Schema, key: str) -> str:
    return f", at most {schema[key]}" if key in schema else ""


def _default(name: str, parent: Schema) -> str:
    if name in parent.get("required", ()):
        return "required"
    default: Any = parent["properties"][name].get("default")
    if isinstance(default, dict):
        return "its defaults" if _all_default(default, parent["properties"][name]) else _flow(default)
    return "" if default is None else _flow(default)


def _all_default(default: dict[str, Any], schema: Schema) -> bool:
    return all(schema["properties"][name].get("default") == value for name, value in default.items())


def _flow(value: Any) -> str:  # noqa: ANN401 - a default is of any type
    if isinstance(value, dict):
        return ", ".join(
            f"`{name}: …`" if isinstance(part, dict) else f"`{name}: {part}`" for name, part in value.items()
        )
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"
