"""The API server by the definition, and the types by themselves, take and refuse the very same values."""

import asyncio
import copy
from collections.abc import Iterator
from typing import Any

import pytest
from pipeline_documents import EVERYTHING, resource
from pydantic import ValidationError

from speechpipe_operator.crd.definition import schema
from speechpipe_operator.spec import SpeechPipeline
from speechpipe_operator.testing.rest import ApiError, Json, Rest

PATH = "/apis/speechpipe.dev/v1alpha1/namespaces/default/speechpipelines"
AT_A_TIME = 8
EACH = 30
"""Every field gets one in so many of the values, another share than its neighbours: 400 requests, not 12,000."""

TEXTS = (
    *("", "a", "A", "a b", "a\n", "-a", "a-", "a.b", "a/b", "*", "*.a.b", "é", "$(X)", "REDIS_URL", "en", "auto", "/a"),
    *("0", "1", "-1", "9" * 20, "0.5", "1.5Gi", "1Gi", "1e3", "500m", "1m", "10s", "0s", "https://a", "redis://a"),
    *("redis://", "x" * 40, "x" * 64, "x" * 254, "x" * 600),
)
NUMBERS = (0, 1, -1, 2, 64, 1000, 100_000, 2**31, 2**40, 0.5, 1.5)
"""Without 1.0, which JSON in the cluster takes for 1 and YAML on one machine does not."""
MAPPINGS: tuple[dict[str, Any], ...] = (
    *({}, {"a": "b"}, {"a b": "c"}, {"a": 1}, {"A": "b"}, {"REDIS_URL": "x"}, {"k" * 400: "1"}, {"a": "x" * 64}),
    *({"cpu": 1}, {"cpu": "1"}, {"cpu": -1}, {"cpu": True}, {"cpu": "0.0001"}, {"cpu": "5e3"}, {"containers": []}),
    *({"spec": {}}, {"spec": []}, {"metadata": {"a": 1}, "spec": {"x": None}}, {"spec": {"hostNetwork": False}}),
)
VALUES: tuple[Any, ...] = (*TEXTS, *NUMBERS, True, False, [], ["a"], ["a", "a"], [1], *MAPPINGS)

Place = tuple[str | int, ...]


def places(part: Json, here: Place) -> Iterator[Place]:
    """Every field below a part of the schema; 0 stands for an entry of a list."""
    for name, field in part.get("properties", {}).items():
        yield (*here, name)
        if "items" in field:
            yield (*here, name, 0)
            yield from places(field["items"], (*here, name, 0))
        yield from places(field, (*here, name))


def put(document: Any, place: Place, value: Any) -> None:
    """Set a field, making what is around it where that is missing."""
    name, *rest = place
    if name == 0 and not document:
        document.append({})
    if not rest:
        document[name] = value
        return
    if isinstance(document, dict):
        document.setdefault(name, [] if rest[0] == 0 else {})
    put(document[name], tuple(rest), value)


def candidates(base: Json) -> Iterator[Json]:
    """``base`` with a value in one field, for every field."""
    for index, place in enumerate(places(schema()["properties"]["spec"], ("spec",))):
        for value in VALUES[index % EACH :: EACH]:
            document = copy.deepcopy(base)
            put(document, place, copy.deepcopy(value))
            yield document


def by_types(document: Json) -> SpeechPipeline | None:
    """What the types make of a document, None where they refuse it."""
    try:
        return SpeechPipeline.model_validate(document)
    except ValidationError:
        return None


async def by_api_server(document: Json, rest: Rest) -> SpeechPipeline | None:
    """What the API server would store, None where it refuses."""
    try:
        served = await rest.post(PATH, document, fieldValidation="Strict", dryRun="All")
    except ApiError:
        return None
    return SpeechPipeline.model_validate(served)


@pytest.mark.parametrize("patch", ["{}", EVERYTHING[0]], ids=["nothing said", "everything said"])
async def test_the_api_server_and_the_types_agree(patch: str, rest: Rest, crd: str) -> None:
    """Any value in any field is taken by both or refused by both, and what is taken means the same to both."""
    documents = list(candidates(resource(patch)))
    assert len(documents) > 400
    gate = asyncio.Semaphore(AT_A_TIME)

    async def compared(document: Json) -> bool:
        async with gate:
            served, meant = await by_api_server(document, rest), by_types(document)
        return (served and served.spec) == (meant and meant.spec)

    agreed = await asyncio.gather(*(compared(document) for document in documents))
    assert [document["spec"] for document, same in zip(documents, agreed, strict=True) if not same] == []
