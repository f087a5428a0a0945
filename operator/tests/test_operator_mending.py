"""Children that people have changed or deleted are brought back, by the running operator on a real API server."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from operator_mischief import mischief, wish
from operator_pipelines import PATHS, apply, complete, condition, pipeline
from operator_process import PATIENCE_SECONDS, Operators, operators

from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest

EDITS = 100
SEED = 4


@pytest_asyncio.fixture
async def fleet(control_plane: ControlPlane, tmp_path: Path, namespace: str, crd: str) -> AsyncIterator[Operators]:
    """Operators of this test, with all their rights in its namespace."""
    async with operators(control_plane, tmp_path, namespace) as made:
        await made.grant()
        yield made


async def test_single_edits_and_deletions_are_mended(fleet: Operators, rest: Rest, namespace: str):
    """A hundred random edits of fields that are ours, or deletions of children, one after the other: each is undone.
    How long that takes is printed.
    """
    dice = random.Random(SEED)
    operator = fleet.start()
    await apply(rest, namespace, pipeline("voice"))
    wanted = {child: wish(obj) for child, obj in (await complete(rest, namespace, "voice")).items()}
    seconds = []
    for _ in range(EDITS):
        child = dice.choice([child for child in sorted(wanted) if child[0] != "Secret"])
        done = await mischief(rest, namespace, child, dice)
        seconds.append(await mended(rest, namespace, child, wanted[child], done))
    p50, p95 = statistics.median(seconds), statistics.quantiles(seconds, n=20)[-1]
    print(f"{EDITS} edits mended: p50 {p50 * 1000:.0f} ms, p95 {p95 * 1000:.0f} ms, max {max(seconds) * 1000:.0f} ms")  # noqa: T201
    assert operator.lines("reconcile_failed") == []


async def test_what_others_add_stays(fleet: Operators, rest: Rest, namespace: str):
    """A label, an annotation and a container that somebody added by hand survive a change of the spec; the container is
    reported as Degraded.
    """
    fleet.start()
    await apply(rest, namespace, pipeline("voice"))
    await complete(rest, namespace, "voice")
    path = f"{PATHS['Deployment'].format(namespace)}/voice-gateway"
    extra = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "voice-gateway", "labels": {"team": "speech"}},
        "spec": {"template": {"spec": {"containers": [{"name": "sidecar", "image": "made/up:1"}]}}},
    }
    await rest.apply(path, extra, manager="somebody")

    await apply(rest, namespace, pipeline("voice", gateway={"replicas": 1, "auth": {"mode": "none"}, "port": 9001}))

    await condition(rest, namespace, "voice", "Degraded", status="True", saying="sidecar")
    deployment = await rest.get(path)
    assert deployment["metadata"]["labels"]["team"] == "speech"
    assert {item["name"] for item in deployment["spec"]["template"]["spec"]["containers"]} == {"gateway", "sidecar"}


async def mended(rest: Rest, namespace: str, child: tuple[str, str], wanted: object, done: str) -> float:
    """Wait until a child is as it was; seconds."""
    began = time.monotonic()
    path = f"{PATHS[child[0]].format(namespace)}/{child[1]}"
    while (found := await rest.find(path)) is None or wish(found) != wanted:
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise AssertionError(f"{done} was not mended:\n{found and wish(found)}\ninstead of\n{wanted}")
        await asyncio.sleep(0.01)
    return time.monotonic() - began
