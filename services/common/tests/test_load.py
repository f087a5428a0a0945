"""The counters that scaling decides by: work arrived and done, exactly once each, and time spent at it."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from speechpipe_common.consumer.busy import BusyClock
from speechpipe_common.keys import STT_GROUP, TRANSLATION_GROUP, Keys
from speechpipe_common.messages import AudioJob, Failure, SegmentRecord, TextJob, Transcript, Translated
from speechpipe_common.store import JobRef, SessionStore, WorkerStore, connect

KEYS = Keys("t:")
JOB = AudioJob(client="c", epoch=1, segment=0, rev=1, kind="final", turn=0, start=0, end=51_200, submitted_at=0.0)
RECORD = SegmentRecord(turn=0, start=0, end=51_200, rev=1, language=None, targets=("es", "fr"))
HEARD = Transcript(
    segment=0,
    rev=1,
    kind="final",
    start=0,
    end=51_200,
    text="hello",
    language="en",
    language_probability=1.0,
    processing_time=0.1,
)
TEXTS = [
    TextJob(client="c", segment=0, rev=1, final=True, text="hello", source="en", target=target, submitted_at=0.0)
    for target in ("es", "fr")
]
MS = 3200
"""51,200 samples."""


class Desk:
    """A session's store and a worker's, and what the counters say."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.sessions = SessionStore(redis, KEYS)
        self.worker = WorkerStore(redis, KEYS)

    async def submit(self, **changes: object) -> str:
        """Submit a variation of JOB; its entry."""
        job = msgspec.structs.replace(JOB, **changes)
        _, entry = await self.sessions.submit_audio(job, msgspec.structs.replace(RECORD, rev=job.rev), "", 0)
        return entry

    async def claim(self, stream: str = KEYS.audio_jobs, group: str = STT_GROUP) -> JobRef:
        """Read one new entry."""
        reply: Any = await self.redis.xreadgroup(group, "w", {stream: ">"}, count=1)
        [[_, [[entry, _fields]]]] = reply
        return JobRef(stream, group, entry.decode())

    async def load(self, group: str = STT_GROUP) -> tuple[int, int, int]:
        """Milliseconds and jobs arrived, and milliseconds done."""
        names = ("arrived_ms", "arrived_jobs", "done_ms")
        arrived, jobs, done = await self.redis.hmget(KEYS.load(group), names)
        return int(arrived or 0), int(jobs or 0), int(done or 0)


@pytest_asyncio.fixture
async def desk(valkey: str) -> AsyncIterator[Desk]:
    """An empty Valkey with both groups and the session "c"."""
    redis = connect(valkey)
    await redis.flushall()
    for stream, group in (
        (KEYS.audio_jobs, STT_GROUP),
        (KEYS.audio_partials, STT_GROUP),
        (KEYS.transcriptions, TRANSLATION_GROUP),
    ):
        await redis.xgroup_create(stream, group, id="0", mkstream=True)
    desk = Desk(redis)
    await desk.sessions.open("c", 1, 100.0, {})
    yield desk
    await redis.aclose()


async def test_work_is_counted_once_when_it_comes_and_once_when_it_is_settled(desk: Desk) -> None:
    """A final counts its audio as arrived, and as done for the worker that settles it first."""
    await desk.submit()
    assert await desk.load() == (MS, 1, 0)
    ref = await desk.claim()
    assert await desk.worker.commit_transcript(ref, JOB, HEARD) == "final"
    assert await desk.worker.commit_transcript(ref, JOB, HEARD) == "peer"
    assert await desk.load() == (MS, 1, MS)


async def test_a_resubmission_counts_only_when_it_makes_an_entry(desk: Desk) -> None:
    """While the first entry is queued nothing is added; one that was lost with its entry is counted again."""
    entry = await desk.submit()
    assert (await desk.sessions.submit_audio(JOB, RECORD, entry, 0))[0] == "queued"
    assert await desk.load() == (MS, 1, 0)
    await desk.redis.xdel(KEYS.audio_jobs, entry)
    assert (await desk.sessions.submit_audio(JOB, RECORD, entry, 0))[0] == "ok"
    assert await desk.load() == (2 * MS, 2, 0)


@pytest.mark.parametrize("end", ["drop", "bury", "failure", "retry", "done"])
async def test_every_outcome_counts_as_done(desk: Desk, end: str) -> None:
    """Dropped, buried, failed for good or for another attempt, or final already: the work is off the list."""
    await desk.submit()
    ref = await desk.claim()
    if end == "drop":
        assert await desk.worker.drop(ref)
        assert not await desk.worker.drop(ref)
    elif end == "bury":
        await desk.worker.bury(ref, msgspec.json.encode(JOB), "it crashed", 4)
    elif end == "done":
        await desk.sessions.open("c", 1, 1.0, {}, done=["0:final:"])
        assert await desk.worker.commit_transcript(ref, JOB, HEARD) == "done"
    else:
        failure = Failure(segment=0, rev=1, code="x", message="x", retry=end == "retry")
        await desk.worker.commit_failure(ref, JOB, failure)
    assert await desk.load() == (MS, 1, MS)


@pytest.mark.parametrize("promoted", ["before", "after", "never"])
async def test_translations_bring_the_work_of_their_segment(desk: Desk, promoted: str) -> None:
    """Each target counts the segment's audio as arrived, when the segment is final and not before."""
    await desk.submit(kind="candidate")
    job, heard = (msgspec.structs.replace(value, kind="candidate") for value in (JOB, HEARD))
    if promoted == "before":
        await desk.sessions.promote("c", 1, 0, 1, RECORD)
    await desk.worker.commit_transcript(await desk.claim(), job, heard, TEXTS)
    assert await desk.load() == (MS, 1, MS)
    if promoted == "after":
        assert await desk.load(TRANSLATION_GROUP) == (0, 0, 0)
        await desk.sessions.promote("c", 1, 0, 1, RECORD)
    if promoted == "never":
        assert await desk.load(TRANSLATION_GROUP) == (0, 0, 0)
        return
    assert await desk.load(TRANSLATION_GROUP) == (2 * MS, 2, 0)
    ref = await desk.claim(KEYS.transcriptions, TRANSLATION_GROUP)
    done = Translated(segment=0, rev=1, final=True, text="hola", source="en", language="es", processing_time=0.1)
    await desk.worker.commit_translation(ref, TEXTS[0], done)
    assert await desk.load(TRANSLATION_GROUP) == (2 * MS, 2, MS)


async def test_a_translation_submitted_again_brings_its_work(desk: Desk) -> None:
    """A gateway that submits a lost translation says how much audio it stands for."""
    await desk.sessions.submit_text(TEXTS[0], 1, "", 0, 51_200)
    assert await desk.load(TRANSLATION_GROUP) == (MS, 1, 0)


async def test_partials_are_not_counted(desk: Desk) -> None:
    """A partial is shed before it is load: it changes no counter when it comes, and none when it goes."""
    job = msgspec.structs.replace(JOB, kind="partial")
    await desk.sessions.submit_audio(job, RECORD, "", 0)
    ref = await desk.claim(KEYS.audio_partials)
    await desk.worker.commit_transcript(ref, job, msgspec.structs.replace(HEARD, kind="partial"))
    assert await desk.redis.keys("t:load:*") == []


async def test_an_entry_without_work_is_settled_and_counts_nothing(desk: Desk) -> None:
    """A job that an older gateway put on the stream goes its way."""
    await desk.redis.xadd(KEYS.audio_jobs, {"job": msgspec.json.encode(JOB)})
    assert await desk.worker.commit_transcript(await desk.claim(), JOB, HEARD, TEXTS) == "final"
    assert await desk.load() == (0, 0, 0)
    assert await desk.load(TRANSLATION_GROUP) == (0, 2, 0)


async def test_a_commit_at_maxmemory_counts_as_well(desk: Desk) -> None:
    """Where even a first counter would be refused by itself, the commit that counts it goes through."""
    await desk.submit()
    ref = await desk.claim()
    await desk.redis.delete(KEYS.load(STT_GROUP))
    await desk.redis.config_set("maxmemory", "1mb")
    try:
        assert await desk.worker.commit_transcript(ref, JOB, HEARD, TEXTS) == "final"
    finally:
        await desk.redis.config_set("maxmemory", "0")
    assert await desk.load() == (0, 0, MS)
    assert await desk.load(TRANSLATION_GROUP) == (2 * MS, 2, 0)


def test_busy_time_is_wall_time() -> None:
    """Two batches at a time count once, idling not at all, and a batch that still runs counts up to now."""
    now = 100.0
    clock = BusyClock(lambda: now)
    with clock.running():
        now += 1
        with clock.running():
            now += 1
        now += 0.5
        assert clock.take() == 2500
        now += 0.25
    now += 10
    assert clock.take() == 250
    assert clock.take() == 0


def test_busy_time_loses_nothing_to_rounding_or_a_lost_report() -> None:
    """Fractions of a millisecond wait for the next report, and so does what could not be written."""
    now = 0.0
    clock = BusyClock(lambda: now)
    taken = 0
    with clock.running():
        for _ in range(1000):
            now += 0.0015625
            taken += clock.take()
    assert taken == 1562
    clock.give_back(100)
    assert clock.take() == 100
