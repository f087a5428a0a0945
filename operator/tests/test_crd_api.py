"""The definition on a real API server: what it refuses, takes and fills in."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from mistakes import MISTAKES, Mistake
from pipeline_documents import EVERYTHING, merged, parsed, resource
from ruamel.yaml import YAML

from speechpipe_operator.load import DocumentError, load_file, load_text
from speechpipe_operator.spec import SpeechPipeline
from speechpipe_operator.spec.status import Condition, Replicas, Scaled, Status
from speechpipe_operator.testing.rest import ApiError, Json, Rest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


def path(namespace: str, name: str = "", part: str = "") -> str:
    """Path of the pipelines of a namespace, of one, or of a part of one."""
    parts = (f"/apis/speechpipe.dev/v1alpha1/namespaces/{namespace}/speechpipelines", name, part)
    return "/".join(filter(None, parts))


def dumped(document: dict[str, Any]) -> str:
    """A document as YAML."""
    text = StringIO()
    YAML(typ="safe", pure=True).dump(document, text)
    return text.getvalue()


def loaded(document: dict[str, Any]) -> SpeechPipeline:
    """A document as it is read on one machine and by the operator."""
    (pipeline,) = load_text(dumped(document), "test.yaml")
    return pipeline


def filled(pipeline: SpeechPipeline) -> dict[str, Any]:
    """All that the user may wish for, defaults included, as it stands in YAML."""
    return pipeline.spec.model_dump(mode="json", by_alias=True, exclude_none=True)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.patch)
async def test_a_mistake_is_refused_by_the_api_server(mistake: Mistake, rest: Rest, crd: str) -> None:
    """Each mistake is refused before it is stored, with the field's name and the message meant."""
    with pytest.raises(ApiError) as refused:
        await rest.post(path("default"), resource(mistake.patch), fieldValidation="Strict")
    assert refused.value.status in (400, 422)
    assert mistake.where in str(refused.value)
    assert mistake.api in str(refused.value)


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.patch)
def test_a_mistake_is_refused_on_one_machine(mistake: Mistake) -> None:
    """The same mistakes are refused without a cluster, and blamed on the same fields."""
    with pytest.raises(DocumentError) as refused:
        loaded(resource(mistake.patch))
    assert mistake.where in str(refused.value)
    assert (mistake.local or mistake.api) in str(refused.value)


@pytest.mark.parametrize("patch", ["{}", *EVERYTHING])
async def test_the_api_server_fills_in_the_defaults_of_the_types(
    patch: str, namespace: str, rest: Rest, crd: str
) -> None:
    """A resource comes back with the very defaults that the types have, and means the same as before."""
    document = resource(patch)
    served = await rest.post(path(namespace), document, fieldValidation="Strict")
    assert loaded(served) == loaded({**document, "metadata": served["metadata"]})
    assert_filled(served["spec"], filled(loaded(document)))


def assert_filled(served: Any, expected: Any, place: str = "spec") -> None:
    """What is served holds everything expected but what is empty, and the numbers of replicas that nobody chose."""
    if not isinstance(expected, dict):
        # A quantity may be a number, which means the same as its digits.
        assert served == expected or str(served) == expected, place
        return
    for name, value in expected.items():
        if name in served:
            assert_filled(served[name], value, f"{place}.{name}")
        else:
            assert name == "replicas" or is_empty(value), f"{place}.{name} has no default in the definition"


def is_empty(value: Any) -> bool:
    """Nothing, or a mapping that holds nothing."""
    return value in ("", []) or (isinstance(value, dict) and all(map(is_empty, value.values())))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.name)
async def test_an_example_is_taken(file: Path, namespace: str, rest: Rest, crd: str) -> None:
    """Every example of the repository is accepted, and read back means what it means on one machine."""
    with file.open() as text:
        documents = list(YAML(typ="safe", pure=True).load_all(text))
    for document, pipeline in zip(documents, load_file(file), strict=True):
        served = await rest.post(path(namespace), document, fieldValidation="Strict")
        assert loaded(served).spec == pipeline.spec


CHANGES = [
    ("{}", "spec: {redis: {managed: {storage: {size: 5Gi}}}}", "size must not shrink from 10Gi to 5Gi"),
    ("{}", "spec: {redis: {managed: {storage: {size: 10G}}}}", "size must not shrink from 10Gi to 10G"),
    ("{}", "spec: {redis: {managed: {storage: {storageClassName: fast}}}}", "storageClassName can't change"),
    (
        "spec: {redis: {managed: {storage: {storageClassName: fast}}}}",
        "spec: {redis: {managed: {storage: {storageClassName: null}}}}",
        "storageClassName can't change",
    ),
    (
        "spec: {stt: {modelCache: {pvc: {size: 20Gi}}}}",
        "spec: {stt: {modelCache: {pvc: {size: 19Gi}}}}",
        "size must not shrink from 20Gi to 19Gi",
    ),
    (
        "spec: {translation: {modelCache: {pvc: {}}}}",
        "spec: {translation: {modelCache: {pvc: {accessMode: ReadWriteOnce}}}}",
        "accessMode can't change",
    ),
    ("{}", "spec: {stt: {replicas: 2, autoscaling: {}}}", "give replicas or autoscaling, not both"),
    ("spec: {stt: {replicas: 2}}", "spec: {stt: {autoscaling: {}}}", "give replicas or autoscaling, not both"),
]


@pytest.mark.parametrize(("before", "change", "message"), CHANGES)
async def test_a_change_that_can_not_be_made_is_refused(
    before: str, change: str, message: str, namespace: str, rest: Rest, crd: str
) -> None:
    """Volumes grow and keep their class and access mode; a number is not set where the operator decides it."""
    await rest.post(path(namespace), resource(before))
    with pytest.raises(ApiError) as refused:
        await rest.merge(path(namespace, "test"), parsed(change))
    assert refused.value.status == 422
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        "spec: {redis: {managed: {storage: {size: 20Gi}}}}",
        "spec: {redis: {managed: {storage: {size: 10240Mi}}}}",
        "spec: {redis: {managed: {memory: 2Gi, persistence: always}}}",
        "spec: {redis: {managed: null, external: {url: 'redis://r:6379'}}}",
        "spec: {stt: {autoscaling: {}}}",
        "spec: {stt: {replicas: 3}}",
        "spec: {gateway: {auth: {mode: required, secretRef: {name: keys, key: keys}}}}",
        "spec: {translation: {}, languages: {targets: [es]}}",
    ],
)
async def test_a_change_that_can_be_made_is_taken(change: str, namespace: str, rest: Rest, crd: str) -> None:
    """What nothing speaks against can be changed in a pipeline that has all its defaults filled in."""
    document = await rest.post(path(namespace), resource())
    changed = await rest.merge(path(namespace, "test"), parsed(change))
    assert changed["metadata"]["generation"] == 2
    assert loaded(changed).spec == loaded(merged(document, parsed(change))).spec


NULLS = ["spec: {stt: null}", "spec: {stt: {gpu: null}}", "spec: {redis: null}", "spec: {paused: null}"]


@pytest.mark.parametrize("patch", NULLS)
async def test_nothing_is_the_default(patch: str, namespace: str, rest: Rest, crd: str) -> None:
    """A field that stands there without a value is taken for absent, as everywhere in Kubernetes."""
    nothing: Json = resource()
    nothing["spec"] |= parsed(patch)["spec"]
    served = await rest.post(path(namespace), nothing)
    assert loaded(served).spec == loaded(resource()).spec


async def test_a_status_is_stored_as_the_types_have_it(namespace: str, rest: Rest, crd: str) -> None:
    """A whole status is taken through its own subresource and comes back unchanged; the spec is not touched by it."""
    condition = {
        "type": "Ready",
        "status": "False",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "reason": "GpuMissing",
        "message": "2 of 4 STT pods wait for nvidia.com/gpu",
    }
    status = Status(
        observed_generation=1,
        conditions=(Condition.model_validate(condition),),
        reason="GpuMissing",
        endpoint="ws://test-gateway.default:80/ws",
        backlog=17,
        gateway=Replicas(ready=1, desired=2),
        gateway_summary="1/2",
        stt=Scaled(ready=2, desired=4, reason="Backlog", detail="17 jobs wait"),
        stt_summary="2/4",
    ).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert status["conditions"] == [condition]
    await rest.post(path(namespace), resource())
    written = await rest.merge(path(namespace, "test", "status"), {"status": status, "spec": {"paused": True}})
    assert (written["status"], written["spec"]["paused"]) == (status, False)


async def test_a_status_of_another_shape_is_refused(namespace: str, rest: Rest, crd: str) -> None:
    """What is no status in the types is none to the API server, so that the two can't drift apart unseen."""
    await rest.post(path(namespace), resource())
    with pytest.raises(ApiError, match=r"status\.backlog"):
        await rest.merge(path(namespace, "test", "status"), {"status": {"backlog": "many"}})
    with pytest.raises(ApiError, match="lastTransitionTime"):
        await rest.merge(path(namespace, "test", "status"), {"status": {"conditions": [{"type": "Ready"}]}})
