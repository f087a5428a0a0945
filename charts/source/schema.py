"""``values.schema.json``: JSON Schema (draft 7) out of the structural schemas of the values and of the resource."""

from typing import Any, Final

from values import Values

from speechpipe_operator.crd.definition import schema as resource
from speechpipe_operator.crd.schema import Schema, structural
from speechpipe_operator.spec.pipeline import NAME, NAME_LENGTH

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
OPEN: Final = "x-kubernetes-preserve-unknown-fields"
EITHER: Final = "x-kubernetes-int-or-string"


def structure() -> Schema:
    """The values as a structural schema, with the resource's own spec where pipelines stand."""
    whole = structural(Values)
    pipelines = whole["properties"]["pipelines"]
    pipelines["additionalProperties"]["properties"]["spec"] = resource()["properties"]["spec"]
    return whole


def values_schema() -> dict[str, Any]:
    """The JSON Schema that Helm checks values by."""
    whole = _plain(structure())
    pipelines = whole["properties"]["pipelines"]
    pipelines["propertyNames"] = {"pattern": NAME, "maxLength": NAME_LENGTH}
    return {"$schema": DRAFT, "$comment": "Generated from charts/source by make generate; do not edit.", **whole}


def _plain(schema: Schema) -> dict[str, Any]:
    """Without what only Kubernetes understands; unknown fields are refused where it would drop them in silence."""
    result = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-") and key != "format"}
    if EITHER in schema:
        result["type"] = ["integer", "string"]
    if "items" in schema:
        result["items"] = _plain(schema["items"])
    if "properties" in schema:
        result["properties"] = {name: _plain(part) for name, part in schema["properties"].items()}
    if isinstance(schema.get("additionalProperties"), dict):
        result["additionalProperties"] = _plain(schema["additionalProperties"])
    elif "properties" in schema and OPEN not in schema:
        result["additionalProperties"] = False
    return result
