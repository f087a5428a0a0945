"""The definition as a document: what the API server and people need of it, without either."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, Field, ValidationError
from test_spec import models
from test_status import NOW, QUIET, healthy, subject, workload

from speechpipe_operator.autoscaling.report import ScalingReport, StageReport
from speechpipe_operator.autoscaling.types import Decision
from speechpipe_operator.crd import definition, manifest, page
from speechpipe_operator.crd.definition import COLUMNS, schema
from speechpipe_operator.crd.schema import structural
from speechpipe_operator.spec import SpeechPipeline
from speechpipe_operator.spec.base import Strict
from speechpipe_operator.spec.rules import Cel, rule, rules_of
from speechpipe_operator.spec.status import Status
from speechpipe_operator.status import invalid_status, make_status

ROOT = Path(__file__).parents[2]
ANNOTATION_BYTES = 262_144
"""Most that an object's annotations may hold together; kubectl keeps the whole object that was applied in one."""
EXACT = 2**53
"""The API server holds bounds as floats."""

HELD = Decision(0, "Hold", "held", valid=False)
OPEN = "x-kubernetes-preserve-unknown-fields"


def nodes(part: dict[str, Any], place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with its place."""
    yield place, part
    for name, field in part.get("properties", {}).items():
        yield from nodes(field, f"{place}.{name}")
    for key, sign in (("items", "[]"), ("additionalProperties", ".*")):
        if key in part:
            yield from nodes(part[key], place + sign)


def test_the_file_is_what_the_types_say() -> None:
    """`crds/speechpipelines.yaml` is generated, and up to date."""
    assert (ROOT / "crds" / "speechpipelines.yaml").read_text() == manifest(), "run make generate"


def test_the_page_is_what_the_types_say() -> None:
    """`docs/resource.md` is generated, and up to date."""
    assert (ROOT / "docs" / "resource.md").read_text() == page(), "run make generate"


def test_the_page_names_every_field() -> None:
    """Each field of spec and status stands in the page, in the section of the mapping that it belongs to."""
    sections = {part.partition("\n")[0]: part for part in page().split("\n## ")}
    templates = [place for place, node in nodes(schema()) if OPEN in node]
    for place, _ in nodes(schema()):
        parent, _, name = place.lstrip(".").replace("[]", "").replace(".*", "").rpartition(".")
        if parent.startswith(("spec", "status")) and not any(
            template.startswith(f".{parent}") for template in templates
        ):
            assert any(f"| `{name}` |" in text for title, text in sections.items() if title.replace("[]", "") == parent)


def test_kubectl_can_keep_it_in_an_annotation() -> None:
    """Client-side `kubectl apply` works, with room for the definition to grow to three times its size."""
    assert len(json.dumps(definition())) * 3 < ANNOTATION_BYTES


def test_every_field_is_described() -> None:
    """No field goes without a sentence in `kubectl explain`."""
    parts = [
        (place, part) for place, part in nodes(schema()) if place.count(".") > 1 and not place.endswith(("[]", ".*"))
    ]
    assert len(parts) > 200
    assert [place for place, part in parts if not part.get("description", "").endswith(".")] == []


def test_everything_is_bounded() -> None:
    """Texts, lists and mappings have a longest, so that rules over them cost a known amount, and nothing fills etcd."""
    needed = {"string": ("maxLength", "enum", "format"), "array": ("maxItems",), "integer": ("format",)}
    for place, part in nodes(schema()):
        if place in (".apiVersion", ".kind"):
            continue
        keys = ("maxProperties",) if "additionalProperties" in part else needed.get(part.get("type", ""), ())
        assert not keys or any(key in part for key in keys), place


def test_it_is_structural() -> None:
    """No float, no reference, no union, no bound that a float can't hold, and nothing unknown but in pod templates."""
    for place, part in nodes(schema()):
        assert not part.keys() & {"$ref", "anyOf", "oneOf", "allOf", "nullable", "title", "const"}, place
        assert part.get("type") in {"object", "array", "string", "integer", "boolean"} or (
            part["x-kubernetes-int-or-string"] and "type" not in part
        ), place
        assert part.get("maximum", 0) <= EXACT, place
        assert OPEN not in part or "odTemplate" in place, place


def test_every_rule_across_fields_is_a_rule_in_cel() -> None:
    """No part checks anything in Python alone: what is refused on one machine is refused by the API server."""
    for model in set(models(SpeechPipeline)):
        decorators = model.__pydantic_decorators__
        assert set(decorators.model_validators) == {"_keeps_its_rules"}, model
        assert not decorators.field_validators, model
    assert sum(1 for model in set(models(SpeechPipeline)) for _ in rules_of(model)) > 15


def test_every_check_of_a_value_is_a_rule_in_cel() -> None:
    """A validator in an annotation has its rule, list type or pattern beside it."""

    def annotated(annotation: Any) -> Iterator[tuple[Any, ...]]:
        if hasattr(annotation, "__metadata__"):
            yield annotation.__metadata__
        for part in get_args(annotation):
            yield from annotated(part)

    found = 0
    for model in set(models(SpeechPipeline)):
        for name, field in model.model_fields.items():
            for metadata in [tuple(field.metadata), *annotated(field.annotation)]:
                kinds = {type(item).__name__ for item in metadata}
                if "AfterValidator" in kinds and "dict" not in str(field.annotation):
                    found += 1
                    extra = field.json_schema_extra
                    listed = isinstance(extra, dict) and extra.get("x-kubernetes-list-type") == "set"
                    assert "Cel" in kinds or listed, f"{model.__name__}.{name}"
    assert found > 8


def test_columns_show_what_a_status_has() -> None:
    """Each column's path leads to a field of the status, or to the object's own time."""
    for name, _, path, *_ in COLUMNS:
        first = path.partition("[")[0].removeprefix(".status.")
        assert path == ".metadata.creationTimestamp" or first in schema()["properties"]["status"]["properties"], name


def test_a_status_as_it_is_made_fits_the_definition() -> None:
    """What the status room makes has no field that the definition lacks: the API server would drop it in silence."""
    auto = {"autoscaling": {"minReplicas": 0}}
    parts = {"stt": workload("stt", desired=4), "translation": workload("translation", desired=0, ready=0)}
    stages = (StageReport("stt", Decision(4, "Backlog", "17 jobs"), QUIET), StageReport("translation", HELD, None, "?"))
    made = make_status(subject(healthy(**parts), scaling=ScalingReport(stages), stt=auto, translation=auto), {}, 1, NOW)
    for status in (made, invalid_status(["spec.stt.model: needs text"], made, 2, NOW)):
        assert Status.model_validate(status).model_dump(mode="json", by_alias=True, exclude_none=True) == status
    assert made.keys() == schema()["properties"]["status"]["properties"].keys()


def test_a_float_is_refused_with_its_place() -> None:
    """A model that a structural schema can't hold is refused when the definition is made, not by the API server."""

    class Inner(Strict):
        share: float = Field(description="A share.")

    class Outer(Strict):
        inner: tuple[Inner, ...] = Field(description="Parts.")

    with pytest.raises(ValueError, match=r"Outer\.inner\[\]\.share: a float"):
        structural(Outer)


def test_a_union_is_refused_with_its_place() -> None:
    """The same for a field of two types."""

    class Either(Strict):
        value: int | str = Field(description="One of two.")

    with pytest.raises(ValueError, match=r"Either\.value: anyOf can't stand"):
        structural(Either)


def test_a_rule_is_said_once_for_both() -> None:
    """The message of a broken rule is the one in the schema; several are said together."""

    class Part(Strict):
        low: int = Field(description="Low.")
        high: int = Field(description="High.")

        @rule("self.low <= self.high", "low must not be more than high")
        def _ordered(self) -> bool:
            return self.low <= self.high

        @rule("self.low > 0", "low must be more than 0")
        def _positive(self) -> bool:
            return self.low > 0

    with pytest.raises(ValidationError, match="low must not be more than high; low must be more than 0"):
        Part(low=0, high=-1)
    assert structural(Part)["x-kubernetes-validations"] == [cel.entry() for cel, _ in rules_of(Part)]
    assert [type(cel) for cel, _ in rules_of(Part)] == [Cel, Cel]


def test_defaults_are_filled_in_from_the_inside() -> None:
    """A part's default is written out, since rules are held against it before the API server fills it in."""

    class Inner(Strict):
        size: int = Field(default=3, description="Size.")
        note: str = Field(default="", description="Note.")

    class Outer(Strict):
        inner: Inner = Field(default_factory=Inner, description="Part.")

    class Whole(BaseModel):
        outer: Outer = Field(default_factory=Outer, description="Part.")

    properties = structural(Whole)["properties"]
    assert properties["outer"]["default"] == {"inner": {"size": 3}}
    assert properties["outer"]["properties"]["inner"]["default"] == {"size": 3}
