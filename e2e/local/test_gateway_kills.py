"""Gateways die, freeze and wake while people speak; their clients go on elsewhere."""

import asyncio
import random
import signal
from collections.abc import Callable, Sequence

import pytest
from callers import Caller
from conftest import Amount
from monitor import addresses, monitor
from processes import Service
from world import World, verdict

from speechpipe_common.testing import eventually

RESUME_SECONDS = 180.0
FREEZE_EVERY = 4
"""One gateway in so many is frozen instead of killed."""


def of(gateway: Service, world: World, callers: Sequence[Caller]) -> list[Caller]:
    """The clients whose sessions a gateway has now, as it told them; one that is still knocking is not among them."""
    url = world.urls[world.gateways.index(gateway)]
    return [c for c in callers if c.wire.home == url]


async def busy_gateway(world: World, callers: Sequence[Caller], dice: random.Random) -> Service:
    """A gateway with clients, while another is ready to take them."""

    async def find() -> Service | None:
        with_clients = [g for g in world.gateways if of(g, world, callers)]
        if not with_clients or sum([await g.ready() for g in world.gateways]) < 2:
            return None
        return dice.choice(with_clients)

    found = await eventually(find, "a gateway with clients and another that is ready")
    assert found is not None
    return found


async def until_moved(moved: Sequence[Caller], before: Sequence[int]) -> None:
    """Wait until clients have resumed since their numbers of resumptions were ``before``."""
    await eventually(
        lambda: all(c.failure or c.wire.resumed > n for c, n in zip(moved, before, strict=True)),
        "clients to resume elsewhere",
        RESUME_SECONDS,
    )


async def kill(world: World, callers: Sequence[Caller], dice: random.Random) -> int:
    """Kill a gateway at a random instant; returns how many clients moved."""
    victim = await busy_gateway(world, callers, dice)
    # Not to wait for something: the instant is what is random.
    await asyncio.sleep(dice.uniform(0, 0.8))
    moved = of(victim, world, callers)
    before = [c.wire.resumed for c in moved]
    victim.kill()
    victim.start()
    await until_moved(moved, before)
    return len(moved)


async def freeze(world: World, callers: Sequence[Caller], dice: random.Random) -> tuple[int, list[str]]:
    """Freeze a gateway until its clients are elsewhere, wake it; returns how many moved, and what it wrote of them."""
    victim = await busy_gateway(world, callers, dice)
    moved = of(victim, world, callers)
    ids = [c.session_id for c in moved]
    before = [c.wire.resumed for c in moved]
    fenced = await victim.metric("sessions_fenced")
    victim.signal(signal.SIGSTOP)
    await until_moved(moved, before)
    places = await addresses(world.redis, victim.name)
    async with monitor(world.valkey.port) as watch:
        victim.signal(signal.SIGCONT)

        async def let_go() -> bool:
            return await victim.metric("sessions_fenced") >= fenced + len(moved)

        await eventually(let_go, f"{victim.name} to let go of {len(moved)} sessions")
        places |= await addresses(world.redis, victim.name)
    return len(moved), watch.writes(places, ids)


@pytest.mark.timeout(3600)
async def test_killed_and_frozen_gateways_lose_and_double_nothing(
    world: World, amount: Amount, dice: random.Random, report: Callable[[str], None]
) -> None:
    """Clients whose gateway dies go on at another and get everything once; one that wakes again writes nothing."""
    for _ in range(3):
        world.add_gateway()
    for _ in range(2):
        world.add_stt()
    world.add_translate()
    await world.start()
    callers = world.callers(3)
    frozen = moved = 0
    written: list[str] = []
    async with world.talking(callers):
        for number in range(amount.gateway_kills):
            if number % FREEZE_EVERY == FREEZE_EVERY - 1:
                count, writes = await freeze(world, callers, dice)
                written += writes
                frozen += 1
            else:
                count = await kill(world, callers, dice)
            moved += count
    await world.until_empty()
    figures = verdict(callers)
    report(f"{amount.gateway_kills} gateways ended, {frozen} of them frozen and woken, {moved} resumptions: {figures}")
    assert written == [], "a gateway that lost its sessions wrote to them"
    assert figures.clean, figures
