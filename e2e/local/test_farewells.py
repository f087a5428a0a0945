"""Processes that are told to stop, and clients that go without a word."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import pytest
from callers import Caller
from speech import Clip
from test_gateway_kills import of, until_moved
from test_valkey_loss import until_heard
from world import CLAIM_IDLE_MS, KEYS, STREAMS, World, verdict

from speechpipe_common.messages import Transcript, Translated
from speechpipe_common.store import SessionStore
from speechpipe_common.testing import eventually

RATE = 16_000


@pytest.mark.timeout(600)
async def test_told_to_stop_workers_and_gateways_leave_in_good_order(
    world: World, dice: random.Random, report: Callable[[str], None]
) -> None:
    """Workers hand back what they hold, gateways send their clients on with 1012; nothing is lost or doubled."""
    for number in range(2):
        world.add_gateway()
        # Named, so that what they hold can be told.
        world.add_stt(INSTANCE_ID=f"stt-{number}")
        world.add_translate(INSTANCE_ID=f"translate-{number}")
    await world.start()
    callers = world.callers(3)
    statuses = []
    async with world.talking(callers):
        await until_heard(callers)
        for worker in (world.stt[0], world.translate[0]):
            statuses.append(await worker.terminate())
            assert not await _held(world, worker.name)
            await until_heard(callers)
        leaving = world.gateways[0]
        moved = of(leaving, world, callers)
        before = [c.wire.resumed for c in moved]
        statuses.append(await leaving.terminate())
        await until_moved(moved, before)
        await until_heard(callers)
    await world.until_empty()
    figures = verdict(callers)
    sent_on = sum(any("close 1012" in ending for ending in c.wire.endings) for c in moved)
    report(f"2 workers and a gateway told to stop (statuses {statuses}), {sent_on} of {len(moved)} sent on: {figures}")
    assert statuses == [0, 0, 0]
    assert moved
    assert sent_on == len(moved)
    assert figures.clean, figures


async def _held(world: World, name: str) -> list[str]:
    """What a worker that has left would let nobody have yet; a job that was handed back can be claimed at once."""
    left = []
    for stream, group in STREAMS.items():
        found: Any = await world.redis.xpending_range(stream, group, "-", "+", 100, consumername=name)
        left += [entry["message_id"].decode() for entry in found if entry["time_since_delivered"] < CLAIM_IDLE_MS]
    return left


@pytest.mark.timeout(600)
async def test_clients_that_vanish_find_everything_when_they_return(
    world: World, dice: random.Random, report: Callable[[str], None]
) -> None:
    """Connections that break without a word, again and again, cost their clients nothing once they are back."""
    world.add_gateway()
    world.add_gateway()
    for _ in range(2):
        world.add_stt()
    world.add_translate()
    await world.start()
    callers = world.callers(3)
    cuts = 12
    async with world.talking(callers):
        for _ in range(cuts):
            caller = dice.choice(callers)
            # Not to wait for something: the instant is what is random.
            await asyncio.sleep(dice.uniform(0, 0.8))
            before = caller.wire.resumed
            caller.wire.cut()
            await until_moved([caller], [before])
    await world.until_empty()
    figures = verdict(callers)
    report(f"{cuts} connections cut: {figures}")
    assert figures.clean, figures


@pytest.mark.timeout(600)
async def test_what_nobody_returns_for_is_finalised_all_the_same(
    world: World, clips: dict[int, list[Clip]], report: Callable[[str], None]
) -> None:
    """A client and its gateway vanish in the middle of a sentence: another gateway finalises and translates it."""
    doomed = world.add_gateway()
    world.add_gateway()
    world.add_stt()
    world.add_translate()
    await world.start()
    caller = Caller("gone", world.urls[:1], clips[RATE] * 10, RATE)
    talking = asyncio.create_task(caller.talk(asyncio.Event()))
    store = SessionStore(world.redis, KEYS)
    await eventually(lambda: caller.finals > 0, "a first final", 120)
    heard = caller.finals
    await eventually(lambda: _open(world, caller, heard), "another segment to be open", 120)
    # The process is gone, and with it its clients' connections; this client does not come back.
    doomed.kill()
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    segments = {record.start for record in (await store.read(caller.session_id, 1)).segments}
    assert segments
    began = asyncio.get_running_loop().time()

    async def finished() -> bool:
        bodies = [d.body async for d in store.replay(caller.session_id, "0-0")]
        finals = {b.segment for b in bodies if isinstance(b, Transcript)}
        texts = {b.segment for b in bodies if isinstance(b, Translated)}
        silent = {b.segment for b in bodies if isinstance(b, Transcript) and not b.text}
        return segments <= finals and segments <= texts | silent

    await eventually(finished, "the sweeper to finalise what was left", 90)
    seconds = asyncio.get_running_loop().time() - began
    await world.until_empty()
    report(f"{len(segments)} open segments of a client and gateway that vanished were final after {seconds:.0f} s")


async def _open(world: World, caller: Caller, heard: int) -> bool:
    """Whether the client speaks in a segment that Redis knows and that has no final yet."""
    records = (await SessionStore(world.redis, KEYS).read(caller.session_id, 1)).segments
    return caller.finals >= heard and any(record.end is None for record in records)
