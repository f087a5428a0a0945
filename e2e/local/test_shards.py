"""One of three Valkeys dies again and again, and workers with it, while people speak over all of them."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
import pytest_asyncio
from callers import PATIENT, Caller
from conftest import Amount
from redis.exceptions import RedisError
from speech import Clip
from test_worker_kills import SPARE_DELIVERIES
from world import KEYS, World, ready_one, running, verdict

from speechpipe_common.testing import eventually

KILLS = 5
"""The first dies by itself, in so many rounds, and each time a worker."""


@pytest_asyncio.fixture
async def wide(tmp_path: Path, clips: dict[int, list[Clip]]) -> AsyncIterator[World]:
    """Three Valkeys, and room for gateways and workers."""
    async with running(tmp_path, clips, shards=3) as made:
        yield made


async def shard_of(world: World, caller: Caller) -> int:
    """Where a client's session lies."""
    held = []
    for number, redis in enumerate(world.clients):
        try:
            if await redis.exists(KEYS.session(caller.session_id)):
                held.append(number)
        except (RedisError, OSError):
            continue
    assert len(held) == 1, f"{caller.session_id} is on {held}"
    return held[0]


async def all_heard(callers: Sequence[Caller]) -> None:
    """Wait until each of these clients has got another final."""
    before = [caller.finals for caller in callers]
    await eventually(
        lambda: all(caller.finals > had for caller, had in zip(callers, before, strict=True)), "a final for each", 120
    )


async def until_known(world: World, *, away: int | None) -> None:
    """Wait until the gateways say that this Valkey is away, or that none is."""

    async def known() -> bool:
        said = [await gateway.readiness() for gateway in world.gateways]
        named = [f"redis shard {away}" in text if away is not None else "redis" not in text for text in said]
        return all(said) and all(named)

    await eventually(known, f"gateways to know that {away} is away", 60)


@pytest.mark.timeout(3600)
async def test_a_shard_that_dies_costs_nothing_and_stops_no_other(
    wide: World, amount: Amount, dice: random.Random, report: Callable[[str], None]
) -> None:
    """While one Valkey is away, clients of the others get finals; no client loses or doubles one, though workers are
    killed as well, and the sessions of the dead one go on where it was.
    """
    world = wide
    for _ in range(2):
        world.add_gateway()
        world.add_stt(MAX_DELIVERIES=SPARE_DELIVERIES)
    world.add_translate(MAX_DELIVERIES=SPARE_DELIVERIES)
    await world.start()
    callers = world.callers(3, PATIENT)
    victims, others = callers[:1], callers[1:]
    for valkey in world.valkeys[1:]:
        valkey.kill()
    await until_known(world, away=1)
    await until_known(world, away=2)
    async with world.talking(victims):  # nowhere else to go but to the first
        for valkey in world.valkeys[1:]:
            await asyncio.to_thread(valkey.start)
        await until_known(world, away=None)
        assert await shard_of(world, victims[0]) == 0
        await all_heard(victims)
        world.valkey.kill()
        await until_known(world, away=0)
        async with world.talking(others):
            await all_heard(others)
            await asyncio.to_thread(world.valkey.start)
            await all_heard(callers)
            assert 0 not in {await shard_of(world, caller) for caller in others}
            rounds = KILLS * (10 if amount.valkey_kills > KILLS * 2 else 1)
            for _ in range(rounds):
                # Not to wait for something: the instant is what is random.
                await asyncio.sleep(dice.uniform(0, 1.5))
                world.valkey.kill()
                victim = await ready_one(world.stt, dice)
                victim.kill()
                victim.start()
                await all_heard(others)
                await asyncio.to_thread(world.valkey.start)
                await all_heard(victims)
    await world.until_empty()
    figures = verdict(callers)
    report(f"one of three Valkeys killed {rounds + 1} times, and a worker each time: {figures}")
    assert figures.clean, figures
    assert [int(await redis.xlen("dead_letters")) for redis in world.clients] == [0, 0, 0]
