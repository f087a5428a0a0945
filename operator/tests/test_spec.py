"""Rules for the types themselves."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from speechpipe_operator.spec import SpeechPipeline


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Every part of the resource."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models(field.annotation)
    for part in get_args(annotation):
        yield from models(part)


def test_every_field_is_described() -> None:
    """No field goes without a description, since explain and the reference are made of them."""
    found = set(models(SpeechPipeline))
    assert len(found) > 10
    for model in found:
        for name, field in model.model_fields.items():
            assert (field.description or "").endswith("."), f"{model.__name__}.{name}"


def test_no_field_is_a_float() -> None:
    """Numbers are whole everywhere, as the API conventions want it."""

    def types(node: object) -> Iterator[object]:
        if isinstance(node, dict):
            yield node.get("type")
            for value in node.values():
                yield from types(value)
        elif isinstance(node, list):
            for value in node:
                yield from types(value)

    assert "number" not in set(map(str, types(SpeechPipeline.model_json_schema())))
