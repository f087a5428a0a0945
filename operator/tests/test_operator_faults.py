"""The operator, the API server and etcd are killed at random instants; the end is right, and nothing dies that should
live.
"""

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from operator_mischief import mischief, wish
from operator_pipelines import PATHS, apply, children, complete, condition, expected, pipeline
from operator_process import SHORT_LEASE, Operators, operators

from speechpipe_operator.objects import PIPELINE_LABEL
from speechpipe_operator.testing.control_plane import API_SERVER, ETCD, ControlPlane
from speechpipe_operator.testing.rest import ApiError, Rest

LONGEST_RUN_SECONDS = 2.5
"""An operator is killed within this after its start: before, while and after it becomes active."""
SETTLE_SECONDS = 120.0
NEVER_DELETED = ("StatefulSet", "Secret", "Service", "ServiceAccount", "ConfigMap")
"""Kinds of which no child is deleted by any change of these tests."""

LAST = {"gateway": {"replicas": 3, "auth": {"mode": "none"}, "port": 9003}, "stt": {"replicas": 2, "model": "tiny"}}


@pytest_asyncio.fixture
async def fleet(control_plane: ControlPlane, tmp_path: Path, namespace: str, crd: str) -> AsyncIterator[Operators]:
    """Operators of this test, with all their rights in its namespace."""
    async with operators(control_plane, tmp_path, namespace) as made:
        await made.grant()
        yield made


class Bystanders:
    """Objects of somebody else that look like children: by label, by name, by owner."""

    def __init__(self, rest: Rest, namespace: str) -> None:
        self._rest, self._namespace = rest, namespace
        self._before: dict[str, dict[str, Any]] = {}

    async def settle(self) -> None:
        """Make them."""
        owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "x", "uid": "0", "controller": True}
        made: dict[str, dict[str, Any]] = {
            "labelled": {"labels": {PIPELINE_LABEL: "voice"}},
            "owned": {"labels": {PIPELINE_LABEL: "voice"}, "ownerReferences": [owner]},
            "voice-extra": {},
        }
        for name, metadata in made.items():
            body = {"metadata": {"name": name, **metadata}, "data": {"mine": "1"}}
            self._before[name] = await self._rest.post(PATHS["ConfigMap"].format(self._namespace), body)

    async def untouched(self) -> None:
        """Nobody has written them since."""
        for name, before in self._before.items():
            now = await self._rest.get(f"{PATHS['ConfigMap'].format(self._namespace)}/{name}")
            assert now["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"], name


async def own_children(rest: Rest, namespace: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The children of the pipeline, bystanders left out."""
    found = await children(rest, namespace, "voice")
    return {key: obj for key, obj in found.items() if key in expected("voice")}


async def settled(rest: Rest, namespace: str, wanted: dict[tuple[str, str], Any]) -> None:
    """Wait until every child is as wanted."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        found = await own_children(rest, namespace)
        wrong = [key for key, wish_ in wanted.items() if key not in found or wish(found[key]) != wish_]
        if not wrong:
            return
        assert time.monotonic() < deadline, [(key, found.get(key) and wish(found[key]), wanted[key]) for key in wrong]
        await asyncio.sleep(0.1)


async def reference(fleet: Operators, rest: Rest, namespace: str) -> dict[tuple[str, str], Any]:
    """What the last spec asks for, by an operator that nothing happens to; and the pipeline as it was at first."""
    operator = fleet.start("reference")
    await apply(rest, namespace, pipeline("voice", **LAST))
    await complete(rest, namespace, "voice")
    await condition(rest, namespace, "voice", "Progressing")
    wanted = {key: wish(obj) for key, obj in (await own_children(rest, namespace)).items() if key[0] != "Secret"}
    await operator.stop()
    return wanted


def uids(found: dict[tuple[str, str], dict[str, Any]]) -> dict[tuple[str, str], str]:
    """UIDs of the children that nothing may delete."""
    return {key: obj["metadata"]["uid"] for key, obj in found.items() if key[0] in NEVER_DELETED}


async def test_operator_killed_at_random_instants(
    fleet: Operators, rest: Rest, namespace: str, amount: Any, dice: random.Random
):
    """Kill -9 while specs change: in the end the children are those of the last spec, none that should live was deleted
    on the way, and what belongs to others was not written.
    """
    wanted = await reference(fleet, rest, namespace)
    before, bystanders = uids(await own_children(rest, namespace)), Bystanders(rest, namespace)
    await bystanders.settle()
    operator = fleet.start("victim")
    for number in range(amount.operator_kills):
        gateway = {"replicas": 1 + number % 3, "auth": {"mode": "none"}, "port": 9000 + number}
        await apply(rest, namespace, pipeline("voice", gateway=gateway, stt={"replicas": 1}))
        await asyncio.sleep(dice.uniform(0, LONGEST_RUN_SECONDS))  # the instant of the fault, not a wait for anything
        await operator.kill()
        # Else the next one would only wait for the lease of the dead.
        await rest.discard(f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/speechpipe-operator")
        operator.start()
    await apply(rest, namespace, pipeline("voice", **LAST))
    await settled(rest, namespace, wanted)
    assert uids(await own_children(rest, namespace)) == before
    await bystanders.untouched()


@pytest.mark.parametrize("part", [API_SERVER, ETCD])
async def test_server_killed_again_and_again(
    fleet: Operators,
    rest: Rest,
    control_plane: ControlPlane,
    namespace: str,
    part: str,
    amount: Any,
    dice: random.Random,
):
    """API server or etcd killed and started again while children are changed by hand: each change is mended in the end,
    nothing that should live is deleted, what belongs to others is not written.
    """
    wanted = await reference(fleet, rest, namespace)
    before, bystanders = uids(await own_children(rest, namespace)), Bystanders(rest, namespace)
    await bystanders.settle()
    operator = fleet.start("survivor", LEASE_SECONDS="15")
    async with operator.kept_alive():
        await operator.said("active")
        for _ in range(amount.server_kills):
            child = dice.choice(sorted(key for key in wanted if key[0] in ("Deployment", "NetworkPolicy")))
            try:
                await mischief(rest, namespace, child, dice)
            except ApiError as error:
                if error.status != 404:  # not mended yet since it was deleted
                    raise
            await asyncio.sleep(dice.uniform(0, 0.3))  # the instant of the fault
            await asyncio.to_thread(control_plane.restart, part)
        await settled(rest, namespace, wanted)
    assert uids(await own_children(rest, namespace)) == before
    await bystanders.untouched()


async def test_operators_stopped_across_takeovers(fleet: Operators, rest: Rest, namespace: str, amount: Any):
    """SIGSTOP the active one until the other has taken over, then SIGCONT, in turns: each time the stopped one ends
    without a write, and one is active.
    """
    pair = [fleet.start(name, LEASE_SECONDS=SHORT_LEASE) for name in ("left", "right")]
    await apply(rest, namespace, pipeline("voice"))
    await complete(rest, namespace, "voice")
    for _ in range(amount.takeovers):
        active = next(one for one in pair if one.lines("lease_won") and one.running)
        other = next(one for one in pair if one is not active)
        await other.said("standby")
        active.signal(signal.SIGSTOP)
        await other.said("active")
        active.signal(signal.SIGCONT)
        assert await active.ended() == 3
        assert not active.lines("reconcile_failed")
        active.start()
    await condition(rest, namespace, "voice", "Progressing")
