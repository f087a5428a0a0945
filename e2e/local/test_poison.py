"""A job that brings down every worker that touches it."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from callers import Caller
from poison_stt import TONE_HZ
from speech import Clip
from verdict import judge
from world import KEYS, World, verdict

from speechpipe_common.messages import AudioJob, decode
from speechpipe_common.testing import eventually

RATE = 16_000
BATCH = 4
RUNNER = str(Path(__file__).with_name("poison_stt.py"))


def poisoned(clip: Clip) -> Clip:
    """The clip with the tone in it, as loud as the speech."""
    loudness = np.sqrt(np.mean(clip.samples.astype(np.float64) ** 2))
    tone = loudness * np.sqrt(2) * np.sin(2 * np.pi * TONE_HZ * np.arange(len(clip.samples)) / clip.rate)
    return replace(clip, samples=np.clip(clip.samples + tone, -32_768, 32_767).astype(np.int16))


@pytest.mark.timeout(600)
async def test_a_poisonous_job_is_buried_alone(
    world: World, clips: dict[int, list[Clip]], report: Callable[[str], None]
) -> None:
    """It ends in dead_letters, its client gets one error for it, and all that was batched with it gets its final."""
    gateway = world.add_gateway(MAX_PENDING_SEGMENTS="64")
    worker = world.add_stt(RUNNER, MAX_BATCH_SIZE=str(BATCH), STT_ENGINE="batched")
    translate = world.add_translate()
    await world.start(gateway, translate)
    library = clips[RATE]
    healthy = [Caller(f"client-{n}", world.urls, library, RATE, partials=False, speed=3.0) for n in range(BATCH - 1)]
    victim = Caller("victim", world.urls, [poisoned(library[0]), library[1]], RATE, partials=False, speed=3.0)
    callers = [*healthy, victim]
    jobs = sum(len(library) for _ in healthy) + 2
    supervising = None
    async with world.talking(callers):
        # All of it waits before the worker begins, so that it takes the poison in a batch.
        await eventually(lambda: _waiting(world, jobs), "all utterances to wait for a worker", 120)
        worker.start()
        supervising = asyncio.create_task(world.supervise())
        await eventually(lambda: _buried(world), "the poison to be buried", 120)
        await eventually(lambda: _empty(world), "everything else to be done", 120)
    supervising.cancel()
    await world.until_empty()
    letters = [decode(fields[b"job"], AudioJob) for _, fields in await world.redis.xrange(KEYS.dead_letters)]
    others = verdict(healthy)
    own = judge(victim.wire.messages, victim.said[1:], victim.target)
    report(
        f"poison buried after {await _deliveries(world)} deliveries, {len(victim.errors)} error for its client; "
        f"batch-mates: {others + own}"
    )
    assert [letter.client for letter in letters] == [victim.session_id]
    assert [error.segment_id for error in victim.errors] == [str(letters[0].segment)]
    assert victim.failure is None
    assert others.clean, others
    assert own.clean, own


async def _waiting(world: World, jobs: int) -> bool:
    return int(await world.redis.xlen(KEYS.audio_jobs)) >= jobs


async def _buried(world: World) -> bool:
    return int(await world.redis.xlen(KEYS.dead_letters)) > 0


async def _empty(world: World) -> bool:
    return not any((await world.lengths()).values())


async def _deliveries(world: World) -> int:
    letters: Any = await world.redis.xrange(KEYS.dead_letters)
    [(_, fields)] = letters
    return int(fields[b"deliveries"]) - 1
