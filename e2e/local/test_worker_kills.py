"""Workers die while people speak."""

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
from callers import STAYING
from conftest import Amount
from processes import Service
from world import World, ready_one, verdict

SPARE_DELIVERIES = "20"
"""A job whose worker is killed each time ends as a dead letter, and rightly so; here the killer is blind."""


async def kill_at_random(pool: Sequence[Service], kills: int, dice: random.Random) -> None:
    """Kill ready workers at random instants of their work, and start them again at once."""
    for _ in range(kills):
        victim = await ready_one(pool, dice)
        # Not to wait for something: the instant is what is random.
        await asyncio.sleep(dice.uniform(0, 0.8))
        victim.kill()
        victim.start()


@pytest.mark.timeout(3600)
async def test_killed_workers_lose_and_double_nothing(
    world: World, amount: Amount, dice: random.Random, report: Callable[[str], None]
) -> None:
    """STT and translation workers killed at random instants cost no client a final or a translation, nor double one."""
    world.add_gateway()
    for _ in range(3):
        world.add_stt(MAX_DELIVERIES=SPARE_DELIVERIES)
    for _ in range(2):
        world.add_translate(MAX_DELIVERIES=SPARE_DELIVERIES)
    await world.start()
    callers = world.callers(3, STAYING)
    async with world.talking(callers):
        await asyncio.gather(
            kill_at_random(world.stt, amount.worker_kills, dice),
            kill_at_random(world.translate, amount.worker_kills, dice),
        )
    await world.until_empty()
    figures = verdict(callers)
    report(f"{amount.worker_kills} STT and {amount.worker_kills} translation workers killed: {figures}")
    assert figures.clean, figures
    assert await world.redis.xlen("dead_letters") == 0
