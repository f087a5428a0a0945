"""The Lua functions on a real Valkey: what is committed once stays once, and a hole is never text."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
import redis as redis_sync
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from speechpipe_common.keys import BLOCK_SAMPLES, STT_GROUP, Keys
from speechpipe_common.messages import AudioJob, Delivery, Failure, SegmentRecord, TextJob, Transcript, decode
from speechpipe_common.store import (
    FencedError,
    JobRef,
    MissingAudio,
    Overtaken,
    ResumeDeniedError,
    SessionLostError,
    SessionStore,
    WorkerStore,
    connect,
)

KEYS = Keys("t:")
JOB = AudioJob(
    client="c", epoch=1, segment=0, rev=1, kind="final", turn=0, start=0, end=1600, targets=("es",), submitted_at=0.0
)
RECORD = SegmentRecord(turn=0, start=0, end=1600, rev=1, language=None, targets=("es",))
HEARD = Transcript(
    segment=0,
    rev=1,
    kind="final",
    start=0,
    end=1600,
    text="hello",
    language="en",
    language_probability=1.0,
    processing_time=0.1,
)
TEXT = TextJob(client="c", segment=0, rev=1, final=True, text="hello", source="en", target="es", submitted_at=0.0)


@pytest_asyncio.fixture
async def redis(valkey: str) -> AsyncIterator[Redis]:
    """A client of an empty Valkey with the STT group made."""
    client = connect(valkey)
    await client.flushall()
    await client.xgroup_create(KEYS.audio_jobs, STT_GROUP, id="0", mkstream=True)
    yield client
    await client.aclose()


@pytest_asyncio.fixture
async def sessions(redis: Redis) -> SessionStore:
    """A store with the session "c" open at epoch 1."""
    store = SessionStore(redis, KEYS)
    await store.open("c", 1, 100.0, {"token": "t1", "key_id": "k"})
    return store


async def claim(redis: Redis, worker: str = "w", stream: str = KEYS.audio_jobs) -> JobRef:
    """Read one new entry in the name of ``worker``."""
    reply: Any = await redis.xreadgroup(STT_GROUP, worker, {stream: ">"}, count=1)
    [[_, [[entry, _fields]]]] = reply
    return JobRef(stream, STT_GROUP, entry.decode())


async def submit(sessions: SessionStore, **changes: object) -> tuple[str, str]:
    """Submit a variation of JOB."""
    job = msgspec.structs.replace(JOB, **changes)
    return await sessions.submit_audio(job, msgspec.structs.replace(RECORD, rev=job.rev), "", 0)


async def test_two_workers_with_the_same_job_make_one_final(redis: Redis, sessions: SessionStore) -> None:
    """After a claim both workers commit; the second finds the job acknowledged and writes nothing."""
    await submit(sessions)
    ref = await claim(redis)
    await redis.xclaim(KEYS.audio_jobs, STT_GROUP, "w2", 0, [ref.entry])
    first, second = WorkerStore(redis, KEYS), WorkerStore(redis, KEYS)
    assert await first.commit_transcript(ref, JOB, HEARD, [TEXT]) == "final"
    assert await second.commit_transcript(ref, JOB, HEARD, [TEXT]) == "peer"
    assert await redis.xlen(KEYS.results("c")) == 1
    assert await redis.xlen(KEYS.transcriptions) == 1
    assert await redis.xlen(KEYS.audio_jobs) == 0


async def test_a_resubmitted_segment_makes_one_final(redis: Redis, sessions: SessionStore) -> None:
    """Two jobs for the same segment may both be decoded; only one result comes out, and the open record goes."""
    await submit(sessions)
    await submit(sessions)
    worker = WorkerStore(redis, KEYS)
    assert await worker.commit_transcript(await claim(redis), JOB, HEARD) == "final"
    assert await worker.commit_transcript(await claim(redis), JOB, HEARD) == "done"
    assert await redis.xlen(KEYS.results("c")) == 1
    assert await redis.hlen(KEYS.segments("c")) == 0
    assert (await submit(sessions))[0] == "done"


async def test_the_published_delivery_names_its_entry(redis: Redis, sessions: SessionStore) -> None:
    """What is published carries the entry id and the translation jobs, and the replay reads the same."""
    await submit(sessions)
    pubsub = redis.pubsub()
    await pubsub.subscribe(KEYS.results("c"))
    await pubsub.get_message(timeout=5)
    await WorkerStore(redis, KEYS).commit_transcript(await claim(redis), JOB, HEARD, [TEXT])
    message = await pubsub.get_message(timeout=5)
    await pubsub.aclose()
    assert message is not None
    live = decode(message["data"], Delivery)
    assert [live] == [delivery async for delivery in sessions.replay("c", "0-0")]
    assert live.body == HEARD
    assert list(live.jobs) == ["es"]
    assert [entry.decode() for entry, _ in await redis.xrange(KEYS.transcriptions)] == [live.jobs["es"]]


@pytest.mark.parametrize("promoted_first", [True, False])
async def test_a_promoted_candidate_is_the_final(redis: Redis, sessions: SessionStore, promoted_first: bool) -> None:
    """Promotion before or after decoding gives one final, with its translation, and no second decode."""
    await submit(sessions, kind="candidate")
    job = msgspec.structs.replace(JOB, kind="candidate")
    heard = msgspec.structs.replace(HEARD, kind="candidate")
    worker, ref = WorkerStore(redis, KEYS), await claim(redis)
    if promoted_first:
        assert await sessions.promote("c", 1, 0, 1, RECORD) == "wanted"
        [record] = (await sessions.read("c", 1)).segments
        assert record == RECORD, "a segment that has ended must not look open to the next gateway"
        assert await worker.commit_transcript(ref, job, heard, [TEXT]) == "final"
    else:
        assert await worker.commit_transcript(ref, job, heard, [TEXT]) == "stored"
        assert await sessions.promote("c", 1, 0, 1, RECORD) == "final"
    assert await sessions.promote("c", 1, 0, 1, RECORD) == "done"
    [delivery] = [delivery async for delivery in sessions.replay("c", "0-0")]
    assert delivery.body == HEARD
    assert await redis.xlen(KEYS.transcriptions) == 1
    assert await redis.hlen(KEYS.candidates("c")) == 0


async def test_appends_are_conditional(sessions: SessionStore) -> None:
    """An append that does not fit is refused with the true length: no zeros, no doubling."""
    assert await sessions.append("c", 1, 0, 0, 0, b"aabb") == (True, 4)
    assert await sessions.append("c", 1, 0, 0, 0, b"aabb") == (False, 4)
    assert await sessions.append("c", 1, 0, 0, 8, b"cc") == (False, 4)
    assert await sessions.append("c", 1, 0, 0, 4, b"cc") == (True, 6)


async def test_a_range_over_blocks_is_read_whole_and_a_hole_is_an_error(redis: Redis, sessions: SessionStore) -> None:
    """Bytes come back exactly over a block boundary; a lost block is MissingAudio, never shorter audio."""
    first, second = bytes(BLOCK_SAMPLES * 2), b"\x01\x02" * 100
    await sessions.append("c", 1, 0, 0, 0, first)
    await sessions.append("c", 1, 0, 1, 0, second)
    job = msgspec.structs.replace(JOB, start=BLOCK_SAMPLES - 10, end=BLOCK_SAMPLES + 50)
    worker = WorkerStore(redis, KEYS)
    assert await worker.read_audio([job]) == [bytes(20) + second[:100]]
    await redis.delete(KEYS.audio("c", 0, 1))
    assert await worker.read_audio([job]) == [MissingAudio(wanted=120, found=20)]


@pytest.mark.parametrize("kind", ["partial", "candidate"])
async def test_an_overtaken_job_is_not_worth_decoding(redis: Redis, sessions: SessionStore, kind: str) -> None:
    """A partial or candidate with a newer revision submitted is Overtaken; a final is when its segment is done."""
    await submit(sessions, rev=2)
    partial = msgspec.structs.replace(JOB, kind=kind, rev=1)
    worker = WorkerStore(redis, KEYS)
    assert await worker.read_audio([partial]) == [Overtaken()]
    assert await worker.read_audio([JOB]) == [MissingAudio(wanted=3200, found=0)]
    await sessions.open("c", 1, 1.0, {}, done=["0:final:"])
    assert await worker.read_audio([JOB]) == [Overtaken()]


async def test_texts_of_final_segments_are_known(redis: Redis, sessions: SessionStore) -> None:
    """For each of several text jobs the store says whether its segment is final, whoever asks and in their order."""
    worker = WorkerStore(redis, KEYS)
    earlier = msgspec.structs.replace(TEXT, final=False)
    assert await worker.have_finals([earlier, earlier]) == [False, False]
    await submit(sessions)
    await worker.commit_transcript(await claim(redis), JOB, HEARD)
    others = (msgspec.structs.replace(earlier, segment=1600), msgspec.structs.replace(earlier, client="d"))
    assert await worker.have_finals([others[0], earlier, others[1]]) == [False, True, False]
    assert await worker.have_finals([]) == []


async def test_a_queued_job_is_not_submitted_again(redis: Redis, sessions: SessionStore) -> None:
    """A resubmission is a no-op while the entry stands in the stream, and a new entry once it is lost."""
    _, entry = await submit(sessions)
    assert await sessions.submit_audio(JOB, RECORD, entry, 0) == ("queued", entry)
    await redis.xdel(KEYS.audio_jobs, entry)
    status, again = await sessions.submit_audio(JOB, RECORD, entry, 0)
    assert status == "ok"
    assert again != entry


async def test_partials_are_shed_when_the_queue_is_full(sessions: SessionStore) -> None:
    """At the depth limit a partial is refused while a final goes in."""
    await submit(sessions)
    partial = msgspec.structs.replace(JOB, kind="partial", segment=5)
    assert (await sessions.submit_audio(partial, RECORD, "", 1))[0] == "shed"
    assert (await submit(sessions, segment=6))[0] == "ok"


async def test_takeover_fences_the_old_gateway(sessions: SessionStore) -> None:
    """After a takeover the old epoch writes nothing, and an unknown token is denied."""
    takeover = {"key_id": "k", "owner": "g2", "now": 1.0}
    with pytest.raises(ResumeDeniedError):
        await sessions.take_over("c", token_hash="wrong", new_token_hash="t2", **takeover)
    with pytest.raises(ResumeDeniedError):
        await sessions.take_over("c", token_hash="t1", new_token_hash="t2", **takeover | {"key_id": "other"})
    stored = await sessions.take_over("c", token_hash="t1", new_token_hash="t2", **takeover)
    assert stored.epoch == 2
    for write in (
        sessions.append("c", 1, 0, 0, 0, b"xx"),
        submit(sessions),
        sessions.save("c", 1, 1.0, {}),
        sessions.promote("c", 1, 0, 1, RECORD),
        sessions.release("c", 1, 0, [0], leave=False),
        sessions.open("c", 1, 1.0, {}),
    ):
        with pytest.raises(FencedError):
            await write


async def test_a_lost_session_is_said_and_restored(redis: Redis, sessions: SessionStore) -> None:
    """A gateway whose session vanished is told so, restores it with what is done, and goes on."""
    await redis.flushall()
    with pytest.raises(SessionLostError):
        await sessions.append("c", 1, 0, 0, 0, b"xx")
    await sessions.open("c", 1, 1.0, {"token": "t1"}, done=["0:final:"])
    assert await sessions.append("c", 1, 0, 0, 0, b"xx") == (True, 2)
    assert (await submit(sessions))[0] == "done"


@pytest.mark.parametrize("kind", ["final", "candidate"])
async def test_a_buried_job_tells_its_client_once(redis: Redis, sessions: SessionStore, kind: str) -> None:
    """A dead letter keeps the job and the reason, and the segment ends with one failure instead of a final."""
    await submit(sessions, kind=kind)
    ref = await claim(redis)
    worker = WorkerStore(redis, KEYS)
    job = msgspec.structs.replace(JOB, kind=kind)
    outcome = await worker.bury(ref, msgspec.json.encode(job), "it crashed", 4)
    if kind == "candidate":
        assert outcome == "buried"
        assert await sessions.promote("c", 1, 0, 1, RECORD) == "final"
    [delivery] = [delivery async for delivery in sessions.replay("c", "0-0")]
    assert isinstance(delivery.body, Failure)
    assert not delivery.body.retry
    assert await redis.xlen(KEYS.dead_letters) == 1
    assert (await submit(sessions))[0] == "done"


async def test_a_commit_goes_through_at_maxmemory(redis: Redis, sessions: SessionStore) -> None:
    """At maxmemory appends are refused, but a worker's commit still settles its job and delivers the final."""
    await submit(sessions)
    ref = await claim(redis)
    await redis.config_set("maxmemory", "1mb")
    try:
        with pytest.raises(OutOfMemoryError):
            await sessions.append("c", 1, 0, 0, 0, b"xx")
        assert await WorkerStore(redis, KEYS).commit_transcript(ref, JOB, HEARD, [TEXT]) == "final"
    finally:
        await redis.config_set("maxmemory", "0")
    assert await redis.xlen(KEYS.audio_jobs) == 0
    assert await redis.xlen(KEYS.results("c")) == 1


async def test_the_sweeper_adopts_only_what_is_stale(redis: Redis, sessions: SessionStore, valkey: str) -> None:
    """A session with a fresh heartbeat is left alone; a stale one is owned at a higher epoch, once."""
    adopt = {"now": 200.0, "owner": "sweeper"}
    assert await sessions.stale(150.0, 10) == ["c"]
    assert await sessions.adopt("c", stale_before=50.0, **adopt) is None
    stored = await sessions.adopt("c", stale_before=150.0, **adopt)
    assert stored is not None
    assert stored.epoch == 2
    assert await sessions.adopt("c", stale_before=150.0, **adopt) is None
    assert redis_sync.Redis.from_url(valkey).zscore(KEYS.sessions, "c") == 200.0
