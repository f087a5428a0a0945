"""From a pydantic model to a structural schema of apiextensions.k8s.io/v1.

Structural schemas know no references, no unions with null (an optional field may be absent instead) and no floats. The
API server fills in defaults from the outside in, so ``{}`` would do as the default of a part whose own fields all have
one; but it holds the rules against a default as it stands, so it is written out.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ (structural
schemas, defaulting).
"""

from typing import Any, Final, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

INT32_MAX: Final = 2**31 - 1
_FORBIDDEN: Final = frozenset(
    {"$ref", "anyOf", "oneOf", "allOf", "nullable", "const", "exclusiveMinimum", "uniqueItems"}
)


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model.

    Raises:
        ValueError: something in the model can't be said in one; the message names the place.
    """
    generated = model.model_json_schema(by_alias=True, schema_generator=_Generator)
    return _resolved(generated, generated.get("$defs", {}), model.__name__)


class _Generator(GenerateJsonSchema):
    """JSON schema as far as pydantic itself decides on its form."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An optional value is its own type: absent stands for None."""
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """One word is a list of one."""
        return {"type": "string", "enum": list(schema["expected"])}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults, those of factories too; what is empty says no more than absence."""
        inner = self.generate_inner(schema["schema"])
        factory = schema.get("default_factory")
        default = schema.get("default") if factory is None else cast(Any, factory)()
        if isinstance(default, BaseModel):
            return inner | {"default": default.model_dump(mode="json", by_alias=True, exclude_defaults=True)}
        if default is None or default in ("", (), {}):
            return inner
        return inner | {"default": list(default) if isinstance(default, tuple) else default}


def _resolved(schema: Schema, definitions: dict[str, Schema], place: str) -> Schema:
    """``schema`` with references replaced by what they name, and reduced to what the API server takes."""
    if "$ref" in schema:
        named = definitions[schema["$ref"].rpartition("/")[2]]
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return _resolved({**named, **rest}, definitions, place)
    if found := _FORBIDDEN & schema.keys():
        raise ValueError(f"{place}: {', '.join(sorted(found))} can't stand in a structural schema")
    if schema.get("type") == "number":
        raise ValueError(f"{place}: a float; count in whole units instead")
    result = {key: value for key, value in schema.items() if key not in ("title", "propertyNames", "$defs")}
    if "description" in result:
        result["description"] = " ".join(result["description"].replace("``", "").split())
    if result.get("type") == "integer":
        result["format"] = "int32" if result.get("maximum", INT32_MAX + 1) <= INT32_MAX else "int64"
    if "items" in result:
        result["items"] = _resolved(result["items"], definitions, f"{place}[]")
    if result.pop("additionalProperties", False):
        result["additionalProperties"] = _resolved(schema["additionalProperties"], definitions, f"{place}.*")
    if "properties" in result:
        result["properties"] = {
            name: _resolved(part, definitions, f"{place}.{name}") for name, part in result["properties"].items()
        }
    if "default" in result:
        result["default"] = _filled(result["default"], result)
        if not result["default"] and isinstance(result["default"], dict):
            del result["default"]
    return result


def _filled(value: Any, schema: Schema) -> Any:  # noqa: ANN401 - a default is of any type
    """``value`` with the defaults of the parts in it, as the API server fills them in."""
    if not isinstance(value, dict):
        return value
    parts = schema.get("properties", {})
    defaults = {name: part["default"] for name, part in parts.items() if "default" in part}
    return {name: _filled(given, parts.get(name, {})) for name, given in {**defaults, **value}.items()}
