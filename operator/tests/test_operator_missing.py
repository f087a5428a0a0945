"""What the operator lacks it says, and goes on with the rest: the definition, a permission, a namespace."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from operator_pipelines import apply, complete, condition, path_of, pipeline
from operator_process import Operators, operators

from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.fixtures import CRDS, install_crd
from speechpipe_operator.testing.rest import Rest


@pytest_asyncio.fixture
async def fleet(control_plane: ControlPlane, tmp_path: Path, namespace: str, crd: str) -> AsyncIterator[Operators]:
    """Operators of this test, with all their rights in its namespace."""
    async with operators(control_plane, tmp_path, namespace) as made:
        await made.grant()
        yield made


async def test_without_the_definition_it_waits_and_says_so(fleet: Operators, rest: Rest, namespace: str, crd: str):
    """With the CRD missing the operator is ready, says what to install, and works as soon as it is there."""
    await rest.delete(f"{CRDS}/{crd}")
    operator = fleet.start()
    line = await operator.said("missing", lambda line: "crds/speechpipelines.yaml" in line["reason"])
    ready = await operator.until_ready()
    assert line["reason"] in ready["missing"]

    await install_crd(rest)
    await operator.said("active")
    await apply(rest, namespace, pipeline("voice"))

    await complete(rest, namespace, "voice")
    assert (await operator.ready())["missing"] == []


async def test_the_definition_may_go_while_it_works(fleet: Operators, rest: Rest, namespace: str, crd: str):
    """Deleted and installed again under a working operator: it says so, and serves new pipelines afterwards."""
    operator = fleet.start()
    await operator.said("active")
    await rest.delete(f"{CRDS}/{crd}")
    await operator.said("missing", lambda line: "crds/speechpipelines.yaml" in line["reason"])

    await install_crd(rest)
    await operator.said("no_longer_missing")
    await apply(rest, namespace, pipeline("voice"))

    await complete(rest, namespace, "voice")


async def test_a_missing_permission_is_named_and_the_rest_goes_on(fleet: Operators, rest: Rest, namespace: str):
    """Not allowed to write Services and to watch NetworkPolicies: both are said in the log; the pipeline's condition
    says what can't be written; the other children come; when it is allowed they all come.
    """
    await fleet.grant(without=(("services", "patch"), ("services", "create"), ("networkpolicies", "watch")))
    operator = fleet.start()
    await operator.said("missing", lambda line: "patch services in namespace" in line["reason"])
    await operator.said("missing", lambda line: "watch networkpolicies.networking" in line["reason"])
    await apply(rest, namespace, pipeline("voice"))

    await condition(rest, namespace, "voice", "Ready", status="False", reason="Forbidden", saying="services")
    deployments = await rest.items(f"/apis/apps/v1/namespaces/{namespace}/deployments")
    assert {item["metadata"]["name"] for item in deployments} == {"voice-gateway", "voice-stt", "voice-translation"}

    await fleet.grant()
    await operator.said("no_longer_missing", lambda line: "services" in line["reason"])
    await complete(rest, namespace, "voice")


async def test_a_namespace_that_is_not_there_is_named(fleet: Operators, rest: Rest, namespace: str):
    """One of two namespaces does not exist: it is said, and the pipelines of the other are served."""
    operator = fleet.start(WATCH_NAMESPACES=f"{namespace},not-there")
    line = await operator.said("missing", lambda line: "not-there" in line["reason"])
    assert line["reason"].startswith(
        "the operator may do nothing in namespace not-there: it does not exist, or no Role"
    )
    await apply(rest, namespace, pipeline("voice"))
    await complete(rest, namespace, "voice")


async def test_a_pipeline_that_can_not_be_read_has_its_sentence_and_others_go_on(
    fleet: Operators, rest: Rest, namespace: str
):
    """What only the operator can find wrong, an unknown field of a podTemplate, is in that pipeline's condition."""
    fleet.start()
    bad = pipeline("bad", podTemplate={"spec": {"containrs": []}})
    await apply(rest, namespace, bad)
    await apply(rest, namespace, pipeline("voice"))
    await complete(rest, namespace, "voice")
    await condition(rest, namespace, "bad", "Ready", status="False", saying="containrs")
    assert "kopf" not in json.dumps(await rest.get(path_of(namespace, "bad"))).lower()
