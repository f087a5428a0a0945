"""What ``--help`` and ``docs/settings.md`` say about a settings class, generated from the class."""

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import SecretStr
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

_TYPES = {"integer": "whole number", "number": "number", "boolean": "true or false", "string": "text"}


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as people see it."""

    field: str
    variable: str
    """Name in the environment."""
    default: str
    allowed: str
    description: str
    secret: bool


def rows(cls: type[BaseSettings]) -> list[SettingRow]:
    """Every setting of ``cls``, in the order of its definition."""
    schema = cls.model_json_schema(by_alias=False)
    prefix = cls.model_config.get("env_prefix", "")
    found = []
    for name, field in cls.model_fields.items():
        if not field.description:
            raise ValueError(f"{cls.__name__}.{name} has no description: give it one with Field(description=...)")
        found.append(
            SettingRow(
                field=name,
                variable=f"{prefix}{name}".upper(),
                default=_default(field.get_default(call_default_factory=False)),
                allowed=_allowed(schema["properties"][name], schema.get("$defs", {})),
                description=" ".join(field.description.split()),
                secret=_mentions(field.annotation, SecretStr),
            )
        )
    return found


def help_text(cls: type[BaseSettings]) -> str:
    """The ``--help`` of a process whose settings are ``cls``."""
    lines = [textwrap.fill(" ".join((cls.__doc__ or "").split()), 100), "", "Settings, from the environment:", ""]
    for row in rows(cls):
        lines.append(f"  {row.variable} (default {row.default}; {row.allowed})")
        lines.append(textwrap.fill(row.description, 100, initial_indent=" " * 6, subsequent_indent=" " * 6))
    return "\n".join(lines) + "\n"


def markdown(classes: Sequence[type[BaseSettings]]) -> str:
    """The page ``docs/settings.md``: a table for each class."""
    lines = ["<!-- Generated from the settings classes by `make generate`; do not edit. -->", "", "# Settings", ""]
    for cls in classes:
        lines += [f"## {cls.__name__}", "", " ".join((cls.__doc__ or "").split()), ""]
        lines += ["| variable | default | allowed | meaning |", "|---|---|---|---|"]
        lines += [_table_row(row) for row in rows(cls)]
        lines.append("")
    return "\n".join(lines)


def _table_row(row: SettingRow) -> str:
    cells = (f"`{row.variable}`", row.default, row.allowed, row.description)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(value: Any) -> str:  # noqa: ANN401 - a default is of the setting's own type
    if value is PydanticUndefined:
        return "none: must be set"
    if value is None or value in ("", ()):
        return "empty"
    if isinstance(value, SecretStr):
        return "hidden"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def _allowed(schema: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _allowed(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in schema:
        choices = (_allowed(choice, definitions) for choice in schema["anyOf"] if choice.get("type") != "null")
        return " or ".join(dict.fromkeys(choices))
    if "enum" in schema:
        return "one of " + ", ".join(str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if schema.get("format") in ("path", "file-path", "directory-path"):
        return "path"
    kind = schema.get("type", "")
    return " ".join([_TYPES.get(kind, "JSON " + (kind or "value")), *_bounds(schema)])


def _bounds(schema: dict[str, Any]) -> Iterator[str]:
    if "minimum" in schema:
        yield f"from {schema['minimum']:g}"
    if "exclusiveMinimum" in schema:
        yield f"above {schema['exclusiveMinimum']:g}"
    if "maximum" in schema:
        yield f"to {schema['maximum']:g}"
    if "exclusiveMaximum" in schema:
        yield f"below {schema['exclusiveMaximum']:g}"
    if "pattern" in schema:
        yield f"that matches {schema['pattern']}"


def _mentions(annotation: object, wanted: type) -> bool:
    if annotation is wanted:
        return True
    return any(_mentions(part, wanted) for part in getattr(annotation, "__args__", ()))
