"""Audio on its way to a real Valkey that loses tails and replies."""

import random
import time
from typing import Any, cast

import numpy as np
import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import ConnectionError

from speechpipe_common.keys import BLOCK_SAMPLES, Keys
from speechpipe_common.messages import AudioJob
from speechpipe_common.store import SessionStore
from speechpipe_gateway.live.uploader import AudioGoneError, Uploader
from speechpipe_gateway.session.tape import Tape

KEYS = Keys("uploads:")
CLIENT = "c"


class Forgetful(SessionStore):
    """A store whose link breaks: before a command arrives, or after it was carried out."""

    chance = 0.0
    rng = random.Random(0)

    async def append(self, *arguments: Any) -> tuple[bool, int]:
        """Append, perhaps, and perhaps say so."""
        if self.rng.random() < self.chance / 2:
            raise ConnectionError("lost on the way")
        reply = await super().append(*arguments)
        if self.rng.random() < self.chance:
            raise ConnectionError("the reply was lost")
        return reply


@pytest_asyncio.fixture
async def store(redis_client: Redis) -> Forgetful:
    """A store with one open session."""
    store = Forgetful(redis_client, KEYS)
    await store.open(CLIENT, 1, time.time(), {})
    return store


def taped(seconds: float, start: int = 0) -> Tape:
    """A tape full of noise."""
    tape = Tape(start)
    tape.append(np.random.default_rng(start).integers(-32_768, 32_768, round(seconds * 16_000)).astype(np.int16))
    return tape


def job(turn: int, start: int, end: int) -> AudioJob:
    """A final over a range."""
    return AudioJob(
        client=CLIENT, epoch=1, segment=start, rev=1, kind="final", turn=turn, start=start, end=end, submitted_at=0
    )


async def held(redis: Redis, wanted: AudioJob) -> bytes:
    """What a worker would read."""
    parts = KEYS.audio_ranges(CLIENT, wanted.turn, wanted.start, wanted.end)
    found = [await redis.getrange(part.key, part.begin, part.end - 1) for part in parts]
    return b"".join(cast(list[bytes], found))


async def insist(uploader: Uploader, wanted: AudioJob, *, mend: bool) -> None:
    """As a session does: again until Redis has answered."""
    while True:
        try:
            return await uploader.ensure(wanted, mend=mend)
        except ConnectionError:
            continue


async def test_audio_is_sent_once(redis_client: Redis, store: Forgetful) -> None:
    """Partials over growing ranges and a final over all of it cost each byte once."""
    tape = taped(12)
    uploader = Uploader(store, CLIENT, 1, tape)
    for end in range(8_000, tape.end + 1, 8_000):
        await uploader.ensure(job(0, 0, end), mend=False)
    await uploader.ensure(job(0, 0, tape.end), mend=True)
    assert uploader.bytes_sent == tape.end * 2
    assert await held(redis_client, job(0, 0, tape.end)) == tape.read(0, tape.end)


@pytest.mark.parametrize("seed", range(20))
async def test_lost_tails_and_replies_end_with_the_right_bytes(
    seed: int, redis_client: Redis, store: Forgetful
) -> None:
    """Whatever Redis forgot and whichever replies were lost, a mended range holds exactly the tape's samples."""
    rng = random.Random(seed)
    store.rng, store.chance = rng, 0.3
    turn = rng.randrange(100_000)
    tape = taped(20, turn)
    uploader = Uploader(store, CLIENT, 1, tape)
    start = end = turn
    while end < tape.end:
        end = min(end + rng.randrange(1, 3 * BLOCK_SAMPLES // 2), tape.end)
        wanted = job(turn, start, end)
        doubt = False
        if rng.random() < 0.5:
            doubt = await _lose_a_tail(redis_client, rng, turn, end)
        await insist(uploader, wanted, mend=doubt or rng.random() < 0.2)
        if await held(redis_client, wanted) != tape.read(start, end):
            await insist(uploader, wanted, mend=True)  # a worker found it short: submitted again, in doubt
        assert await held(redis_client, wanted) == tape.read(start, end)
        if rng.random() < 0.5:
            start = end  # cut: the segment is final
            tape.free(start - rng.randrange(2) * (start - tape.start) // 2)


async def _lose_a_tail(redis: Redis, rng: random.Random, turn: int, end: int) -> bool:
    """Cut the end off one block, or lose it whole, as an AOF without its last second does."""
    key = KEYS.audio(CLIENT, turn, rng.randrange((end - turn) // BLOCK_SAMPLES + 1))
    value = await redis.get(key)
    if not value:
        return False
    kept = value[: rng.randrange(len(value) // 2) * 2]
    await (redis.set(key, kept) if kept else redis.delete(key))
    return True


async def test_what_nobody_has_is_said(redis_client: Redis, store: Forgetful) -> None:
    """A range that is neither in Redis nor on the tape is an error that names both, never zeros."""
    tape = taped(2, start=16_000)
    uploader = Uploader(store, CLIENT, 1, tape)
    with pytest.raises(AudioGoneError, match=r"\[0, 32000\).*\[16000, 48000\)"):
        await uploader.ensure(job(0, 0, 32_000), mend=False)
    with pytest.raises(AudioGoneError, match="60000"):
        await uploader.ensure(job(16_000, 16_000, 60_000), mend=False)
    assert await redis_client.keys("uploads:audio:*") == []


async def test_audio_of_finals_that_was_forgotten_is_padded(redis_client: Redis, store: Forgetful) -> None:
    """A later segment of a turn keeps its place in its block when the audio before it is final and gone everywhere."""
    tape = taped(3)
    spoken = tape.read(0, tape.end)
    tape.free(20_000)
    await Uploader(store, CLIENT, 1, tape).ensure(job(0, 30_000, 40_000), mend=True)
    assert await held(redis_client, job(0, 30_000, 40_000)) == spoken[60_000:80_000]


async def test_turns_that_are_over_are_forgotten(redis_client: Redis, store: Forgetful) -> None:
    """A long session of many turns remembers only those that still have audio on the tape."""
    tape = taped(40)
    uploader = Uploader(store, CLIENT, 1, tape)
    for turn in range(0, 600_000, 20_000):
        await uploader.ensure(job(turn, turn, turn + 16_000), mend=False)
        tape.free(turn)
    assert len(uploader._uploaded) <= 2


async def test_another_gateways_blocks_are_not_sent_again(redis_client: Redis, store: Forgetful) -> None:
    """A turn that another gateway began costs only the job's own blocks, even when nobody doubts them."""
    tape = taped(60)
    uploader = Uploader(store, CLIENT, 1, tape)
    tape.free(50 * 16_000)
    await uploader.ensure(job(0, 50 * 16_000, 60 * 16_000), mend=False)
    assert uploader.bytes_sent <= (10 * 16_000 + BLOCK_SAMPLES) * 2
