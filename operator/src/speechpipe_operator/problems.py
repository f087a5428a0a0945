"""What pydantic found wrong with a document, as sentences for people: where, what, what is allowed, what was meant."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Location = tuple[str | int, ...]

KEY: Final = "[key]"
"""What pydantic puts behind a key of a mapping when the key itself is wrong."""

_WANTED = {
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}


def problems(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Location, str]]:
    """Each error of validating ``model``: the place in the document, and a sentence without it."""
    for detail in error.errors(include_url=False):
        place = tuple(part for part in detail["loc"] if part != KEY)
        yield place, _sentence(detail, model)


def shown(location: Location) -> str:
    """A place as people write it: ``spec.languages.targets[0]``."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def meant(word: object, allowed: Sequence[str]) -> str:
    """``; did you mean X?`` when one of ``allowed`` is close to ``word``, else ``; allowed: …``."""
    by_folded = {name.casefold(): name for name in allowed}
    close = get_close_matches(str(word).casefold(), by_folded, n=1)
    return f"; did you mean {by_folded[close[0]]}?" if close else f"; allowed: {', '.join(allowed)}"


def _sentence(detail: ErrorDetails, model: type[BaseModel]) -> str:
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown field" + meant(detail["loc"][-1], _field_names(_model_at(model, detail["loc"][:-1])))
    if kind == "missing":
        return "required, but missing" + _described(model, detail["loc"])
    if kind == "literal_error":
        allowed = [choice.strip("'") for choice in context["expected"].replace(" or ", ", ").split(", ")]
        return f"{_quoted(given)} is not allowed" + meant(given, allowed)
    if kind in _WANTED:
        return f"needs {_WANTED[kind]}, not {_quoted(given)}"
    if kind == "string_pattern_mismatch":
        return f"{_quoted(given)} is not allowed{_described(model, detail['loc'])}"
    bounds = {
        "greater_than_equal": "at least {ge}",
        "less_than_equal": "at most {le}",
        "string_too_long": "at most {max_length} characters",
        "string_too_short": "at least {min_length} characters",
        "too_long": "at most {max_length} entries",
        "too_short": "at least {min_length} entries",
    }
    if kind in bounds:
        return f"{_quoted(given)} is out of bounds; it must be {bounds[kind].format(**context)}"
    return detail["msg"].removeprefix("Value error, ")


def _quoted(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return repr(value)


def _described(model: type[BaseModel], location: Location) -> str:
    parent = _model_at(model, location[:-1])
    for name, field in parent.model_fields.items() if parent else ():
        if location[-1] in (name, field.alias) and field.description:
            return f". {field.description}"
    return ""


def _field_names(model: type[BaseModel] | None) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_at(model: type[BaseModel] | None, location: Location) -> type[BaseModel] | None:
    for part in location:
        if model is None:
            return None
        annotations = [field.annotation for field in model.model_fields.values() if field.alias == part]
        model = _first_model(annotations[0]) if annotations else None
    return model


def _first_model(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401 - an annotation can be anything
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _first_model(part))), None)
