"""``values.yaml`` and the table of values, out of the values' own schema and defaults."""

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

from schema import OPEN, structure
from values import Values

from speechpipe_operator.crd.schema import INT32_MAX, Schema

WIDTH: Final = 118
SPEC: Final = "pipelines"

VALUES_HEAD: Final = """\
# Generated from charts/source by `make generate`; do not edit. Values of your own go into a file of yours:
#
#   helm upgrade --install speechpipe charts/speechpipe --namespace speechpipe --create-namespace --values mine.yaml
"""
EXAMPLE: Final = """\
#   captions:
#     spec:
#       gateway: {auth: {mode: none}}
#       stt: {model: base}
"""
"""What no default can show; the schema describes a pipeline's spec field by field."""


def values_yaml() -> str:
    """The defaults, each behind what it means."""
    whole = structure()
    lines = list(_mapping(whole, Values().model_dump(mode="json", by_alias=True), 0))
    return VALUES_HEAD + "\n".join(lines) + "\n"


def table() -> str:
    """A Markdown table of every value: name, default, what is allowed, meaning."""
    rows = ["| value | default | allowed | meaning |", "|---|---|---|---|"]
    rows += _rows("", structure(), Values().model_dump(mode="json", by_alias=True))
    return "\n".join(rows) + "\n"


def _mapping(schema: Schema, values: Mapping[str, Any], depth: int) -> Iterator[str]:
    indent = "  " * depth
    for name, part in schema["properties"].items():
        if depth == 0:
            yield ""
        yield from textwrap.wrap(_told(part), WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")
        if _has_parts(part):
            yield f"{indent}{name}:"
            yield from _mapping(part, values[name], depth + 1)
            continue
        if name == SPEC and depth == 0:
            yield EXAMPLE.rstrip()
        yield f"{indent}{name}: {json.dumps(values[name], ensure_ascii=False)}"


def _told(part: Schema) -> str:
    bounds = _bounds(part)
    return f"{part['description']} ({bounds})" if bounds else str(part["description"])


def _rows(prefix: str, schema: Schema, values: Mapping[str, Any]) -> Iterator[str]:
    for name, part in schema["properties"].items():
        place = f"{prefix}{name}"
        if _has_parts(part):
            yield from _rows(f"{place}.", part, values[name])
            continue
        cells = (f"`{place}`", f"`{json.dumps(values[name])}`", _bounds(part), part["description"])
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        if place == SPEC:
            yield from _entry(f"{place}.NAME", part["additionalProperties"])


def _entry(place: str, pipeline: Schema) -> Iterator[str]:
    for name, part in pipeline["properties"].items():
        meaning = part["description"] if name != "spec" else "What it should be: [every field](../../docs/resource.md)."
        yield f"| `{place}.{name}` | | {'required' if name == 'spec' else ''} | {meaning} |"


def _has_parts(part: Schema) -> bool:
    return "properties" in part and OPEN not in part


def _bounds(part: Schema) -> str:
    """What is allowed, as far as a person wants to know it beforehand."""
    if "enum" in part:
        return "one of " + ", ".join(part["enum"])
    if part["type"] == "integer":
        least, most = part.get("minimum"), part.get("maximum", INT32_MAX)
        words = [f"from {least}"] * (least is not None) + [f"to {most}"] * (most < INT32_MAX)
        return " ".join(words)
    return ""
