"""One active operator at a time, on a real API server, with real processes."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from operator_process import SHORT_LEASE, Operators, operators

from speechpipe_operator.testing.control_plane import ControlPlane
from speechpipe_operator.testing.rest import Rest


@pytest_asyncio.fixture
async def fleet(control_plane: ControlPlane, tmp_path: Path, namespace: str, crd: str) -> AsyncIterator[Operators]:
    """Operators of this test, with all their rights."""
    async with operators(control_plane, tmp_path, namespace) as made:
        await made.grant()
        yield made


async def lease_of(rest: Rest, fleet: Operators) -> dict:
    """The spec of the Lease."""
    found = await rest.get(f"/apis/coordination.k8s.io/v1/namespaces/{fleet.namespace}/leases/speechpipe-operator")
    return found["spec"]


async def test_the_second_waits_and_takes_over_from_a_killed_first(fleet: Operators, rest: Rest):
    """While the first is active the second stands by, ready; it takes over when the first has been killed."""
    first = fleet.start("first", LEASE_SECONDS=SHORT_LEASE)
    await first.said("lease_won")
    second = fleet.start("second", LEASE_SECONDS=SHORT_LEASE)
    await second.said("standby")
    assert await second.until_ready() == {"ready": True, "reasons": [], "state": "standby", "missing": []}
    assert (await lease_of(rest, fleet))["holderIdentity"].startswith("first-")

    await first.kill()
    await second.said("active")

    lease = await lease_of(rest, fleet)
    assert lease["holderIdentity"].startswith("second-")
    assert lease["leaseTransitions"] == 1
    assert (await second.ready())["state"] == "active"


async def test_a_stopped_operator_gives_the_lease_back(fleet: Operators, rest: Rest):
    """After SIGTERM the lease is nobody's, the exit status is 0, and the next is active at once."""
    first = fleet.start("first", LEASE_SECONDS="600")
    await first.said("active")
    second = fleet.start("second", LEASE_SECONDS="600")
    await second.said("standby")

    assert await first.stop() == 0

    assert first.lines("lease_released")
    await second.said("active")  # within the patience of a test, which is shorter than the lease


async def test_an_operator_that_was_stopped_beyond_its_lease_ends_and_writes_nothing(fleet: Operators, rest: Rest):
    """SIGSTOP until another has taken over, then SIGCONT: it ends with its own exit status, says why, and the lease
    stays with the other.
    """
    first = fleet.start("first", LEASE_SECONDS=SHORT_LEASE)
    await first.said("active")
    second = fleet.start("second", LEASE_SECONDS=SHORT_LEASE)
    await second.said("standby")
    first.signal(signal.SIGSTOP)
    await second.said("active")

    first.signal(signal.SIGCONT)

    assert await first.ended() == 3
    assert "lease lost" in first.lines("lease_lost")[0]["reason"]
    lease = await lease_of(rest, fleet)
    assert lease["holderIdentity"].startswith("second-")
    assert second.running


async def test_without_a_permission_for_leases_nobody_becomes_active_and_it_is_said(fleet: Operators):
    """The log and /ready name the missing permission; the process lives on and becomes active when it is granted."""
    await fleet.grant(without=(("leases", "patch"), ("leases", "create"), ("leases", "get")))
    operator = fleet.start("one")
    line = await operator.said("lease_trouble")
    assert "leases" in line["reason"]
    line = await operator.said("missing", lambda line: "leases.coordination.k8s.io" in line["reason"])
    assert line["reason"] in (await operator.ready())["missing"]

    await fleet.grant()

    await operator.said("active")
