"""Valkey dies, forgets its last second, or takes no more writes, while people speak."""

import asyncio
import random
from collections.abc import Callable, Sequence

import pytest
import websockets
from aof import Tail
from callers import PATIENT, Caller
from conftest import Amount
from websockets.exceptions import InvalidStatus
from world import World, verdict

from speechpipe_common.testing import eventually

DOWN_SECONDS = (0.0, 1.5)


async def until_heard(callers: Sequence[Caller]) -> None:
    """Wait until some client has got another final: the pipeline works again."""
    before = sum(c.finals for c in callers)
    await eventually(lambda: sum(c.finals for c in callers) > before, "a final", 120)


@pytest.mark.timeout(3600)
async def test_a_valkey_that_dies_and_forgets_loses_and_doubles_nothing(
    world: World, amount: Amount, dice: random.Random, report: Callable[[str], None]
) -> None:
    """Killed again and again, half the times without its last writes, Valkey costs no final and doubles none."""
    world.add_gateway()
    world.add_gateway()
    for _ in range(2):
        world.add_stt()
    world.add_translate()
    await world.start()
    callers = world.callers(3, PATIENT)
    cuts: list[int] = []
    tail = Tail(world.valkey.directory)
    watching = asyncio.create_task(tail.watch())
    async with world.talking(callers):
        for number in range(amount.valkey_kills):
            await until_heard(callers)
            # Not to wait for something: the instant, and how long it stays away, are what is random.
            await asyncio.sleep(dice.uniform(0, 1.5))
            world.valkey.kill()
            if number % 2:
                cuts.append(tail.cut(dice))
            await asyncio.sleep(dice.uniform(*DOWN_SECONDS))
            await asyncio.to_thread(world.valkey.start)
        await until_heard(callers)
    watching.cancel()
    await world.until_empty()
    figures = verdict(callers)
    lost = f"{len(cuts)} times without its last writes ({sum(cuts) // 1024} KiB in all)"
    report(f"Valkey killed {amount.valkey_kills} times, {lost}: {figures}")
    assert figures.clean, figures
    assert await world.redis.xlen("dead_letters") == 0


FULL_SECONDS = 20.0


async def refusal(url: str) -> tuple[int, str | None] | None:
    """Status and Retry-After with which a new session is refused; None when it is let in."""
    try:
        async with websockets.connect(url, proxy=None):
            return None
    except InvalidStatus as error:
        return error.response.status_code, error.response.headers.get("Retry-After")


@pytest.mark.timeout(600)
async def test_a_full_valkey_delays_and_loses_nothing(world: World, report: Callable[[str], None]) -> None:
    """At maxmemory for 20 s, running sessions wait and lose nothing, new ones are refused with 503 and Retry-After."""
    world.add_gateway()
    for _ in range(2):
        world.add_stt()
    world.add_translate()
    await world.start()
    callers = world.callers(3, PATIENT)
    async with world.talking(callers):
        await until_heard(callers)
        before = sum(c.finals for c in callers)
        await world.redis.config_set("maxmemory", "1mb")
        full = asyncio.get_running_loop().time()
        refused = await eventually(lambda: refusal(world.urls[0]), "a new session to be refused")
        # This is the fault, not a wait: so long is Valkey full.
        await asyncio.sleep(full + FULL_SECONDS - asyncio.get_running_loop().time())
        during = sum(c.finals for c in callers) - before
        await world.redis.config_set("maxmemory", "0")
        await until_heard(callers)
        await eventually(lambda: _admitted(world.urls[0]), "new sessions to be let in again")
    await world.until_empty()
    figures = verdict(callers)
    report(f"Valkey full for {FULL_SECONDS:g} s ({during} finals meanwhile, new sessions refused {refused}): {figures}")
    assert refused[0] == 503
    assert refused[1] is not None
    assert int(refused[1]) > 0
    assert figures.clean, figures


async def _admitted(url: str) -> bool:
    return await refusal(url) is None
