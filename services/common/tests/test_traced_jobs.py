"""How a trace goes with a job: through the Lua functions, past workers that know nothing of it, into the spans."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from speechpipe_common.consumer import Entry, Work, WorkerContext, serve_worker, together
from speechpipe_common.keys import STT_GROUP, TRANSLATION_GROUP, Keys
from speechpipe_common.messages import AudioJob, MessageError, SegmentRecord, TextJob, Transcript, decode
from speechpipe_common.settings import WorkerSettings
from speechpipe_common.store import JobRef, SessionStore, WorkerStore, connect
from speechpipe_common.testing import eventually
from speechpipe_common.testing_traces import Collector

KEYS = Keys("traced:")
CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
DECODED = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
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
    """A client of an empty Valkey with the STT group made and the session "c" open."""
    client = connect(valkey)
    await client.flushall()
    await client.xgroup_create(KEYS.audio_jobs, STT_GROUP, id="0", mkstream=True)
    await SessionStore(client, KEYS).open("c", 1, 100.0, {"token": "t1", "key_id": "k"})
    yield client
    await client.aclose()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector that listens."""
    with Collector() as made:
        yield made


async def fields(redis: Redis, stream: str) -> list[dict[bytes, bytes]]:
    """What stands in a stream's entries."""
    reply: Any = await redis.xrange(stream)
    return [entry for _, entry in reply]


async def claim(redis: Redis) -> JobRef:
    """Read one new audio job."""
    reply: Any = await redis.xreadgroup(STT_GROUP, "w", {KEYS.audio_jobs: ">"}, count=1)
    [[_, [[entry, _fields]]]] = reply
    return JobRef(KEYS.audio_jobs, STT_GROUP, entry.decode())


async def test_a_context_stands_beside_the_job(redis: Redis) -> None:
    """The job itself is what it was, so that workers that know no trace read it; without one there is no field."""
    sessions = SessionStore(redis, KEYS)
    await sessions.submit_audio(JOB, RECORD, "", 0, CONTEXT)
    await sessions.submit_audio(msgspec.structs.replace(JOB, segment=9, start=9), RECORD, "", 0)
    traced, plain = await fields(redis, KEYS.audio_jobs)
    assert (traced[b"trace"].decode(), set(traced), set(plain)) == (CONTEXT, {b"job", b"ms", b"trace"}, {b"job", b"ms"})
    assert decode(traced[b"job"], AudioJob) == JOB
    assert set(msgspec.json.decode(traced[b"job"])) <= set(AudioJob.__struct_fields__)


async def test_a_partial_carries_none(redis: Redis) -> None:
    """Partials travel light: their context stays at home."""
    sessions = SessionStore(redis, KEYS)
    await sessions.submit_audio(msgspec.structs.replace(JOB, kind="partial"), RECORD, "", 0, CONTEXT)
    await sessions.submit_text(msgspec.structs.replace(TEXT, final=False), 1, "", 0, 0, CONTEXT)
    assert [set(entry) for entry in await fields(redis, KEYS.audio_partials)] == [{b"job"}]
    assert [set(entry) for entry in await fields(redis, KEYS.text_partials)] == [{b"job"}]


@pytest.mark.parametrize("way", ["final", "candidate, then promoted", "promoted, then candidate", "submitted again"])
async def test_a_translation_follows_from_what_made_its_final(way: str, redis: Redis) -> None:
    """However a final comes about, its translation jobs carry the context of the job that was decoded."""
    sessions, worker = SessionStore(redis, KEYS), WorkerStore(redis, KEYS)
    if way == "submitted again":
        await sessions.submit_text(TEXT, 1, "", 0, 1600, DECODED)
    else:
        kind = "final" if way == "final" else "candidate"
        job, heard = msgspec.structs.replace(JOB, kind=kind), msgspec.structs.replace(HEARD, kind=kind)
        await sessions.submit_audio(job, RECORD, "", 0, CONTEXT)
        if way.startswith("promoted"):
            await sessions.promote("c", 1, 0, 1, RECORD)
        await worker.commit_transcript(await claim(redis), job, heard, [TEXT], DECODED)
        if way.startswith("candidate"):
            await sessions.promote("c", 1, 0, 1, RECORD)
    [entry] = await fields(redis, KEYS.transcriptions)
    assert (entry[b"trace"].decode(), decode(entry[b"job"], TextJob)) == (DECODED, TEXT)


async def test_a_candidate_of_a_worker_of_before_is_promoted(redis: Redis) -> None:
    """A candidate that was stored without a context becomes the final as ever, in the middle of an upgrade."""
    sessions, worker = SessionStore(redis, KEYS), WorkerStore(redis, KEYS)
    job, heard = msgspec.structs.replace(JOB, kind="candidate"), msgspec.structs.replace(HEARD, kind="candidate")
    await sessions.submit_audio(job, RECORD, "", 0)
    await worker.commit_transcript(await claim(redis), job, heard, [TEXT])
    # As it was packed before: body, jobs and milliseconds.
    pack = """
    local stored = cmsgpack.unpack(redis.call('HGET', KEYS[1], '0:1'))
    redis.call('HSET', KEYS[1], '0:1', cmsgpack.pack({stored[1], stored[2], stored[3]}))
    """
    await redis.eval(pack, 1, KEYS.candidates("c"))
    assert await sessions.promote("c", 1, 0, 1, RECORD) == "final"
    [entry] = await fields(redis, KEYS.transcriptions)
    assert set(entry) == {b"job", b"ms"}


def read(payload: bytes) -> str:
    """A job of these tests: any word but ``spoilt``."""
    if payload == b"spoilt":
        raise MessageError("spoilt")
    return payload.decode()


async def test_a_job_is_traced_from_its_arrival_to_its_end(valkey: str, redis: Redis, collector: Collector) -> None:
    """Each job with a context has a span from its arrival on, with its wait; a batch is linked; failures show."""
    settings = WorkerSettings(
        redis_url=valkey,
        key_prefix=KEYS.prefix,
        instance_id="w-1",
        health_host="127.0.0.1",
        health_port=0,
        max_deliveries=1,
        drain_seconds=1,
        otel_exporter_otlp_endpoint=collector.url,
    )
    seen: list[str] = []

    async def load(context: WorkerContext) -> Work[str]:
        async def handle(entries: Sequence[Entry[str]]) -> None:
            seen.extend(entry.job for entry in entries)
            if any(entry.job == "fails" for entry in entries):
                raise ValueError("told to fail")
            with together("decode", entries):
                await asyncio.sleep(0)
            for entry in entries:
                await context.store.drop(entry.ref)

        return Work(streams=[KEYS.audio_jobs], group=STT_GROUP, decode=read, handler=handle, max_batch=4)

    contexts = [f"00-{n:032x}-{n:016x}-01" for n in (1, 2)]
    for word, context in zip(("one", "two"), contexts, strict=True):
        await redis.xadd(KEYS.audio_jobs, {"job": word, "ms": 100, "trace": context})
    await redis.xadd(KEYS.audio_jobs, {"job": "plain", "ms": 100})
    await redis.xadd(KEYS.audio_jobs, {"job": "strange", "ms": 100, "trace": "\u00fc"})
    stop = asyncio.Event()
    worker = asyncio.create_task(serve_worker(settings, "stt", load, stop))
    try:
        await eventually(lambda: set(seen) >= {"one", "two", "plain", "strange"}, "the first jobs")
        await redis.xadd(KEYS.audio_jobs, {"job": "spoilt", "ms": 100, "trace": f"00-{3:032x}-{3:016x}-01"})
        await redis.xadd(KEYS.audio_jobs, {"job": "fails", "ms": 100, "trace": f"00-{4:032x}-{4:016x}-01"})
        await eventually(lambda: redis.xlen(KEYS.dead_letters), "the spoilt job's burial")

        async def empty() -> bool:
            return int(await redis.xlen(KEYS.audio_jobs)) == 0

        await eventually(empty, "an empty stream")
    finally:
        stop.set()
        await worker
    traces = {int(name, 16): {span.name: span for span in spans} for name, spans in collector.traces().items()}
    assert set(traces) == {1, 2, 3, 4}
    first, second = traces[1], traces[2]
    assert set(first) == {"stt job", "wait", "decode"}
    job = first["stt job"]
    assert (job.parent, job.failed, job.attributes["speechpipe.deliveries"]) == (f"{1:016x}", False, 1)
    assert first["wait"].parent == first["decode"].parent == job.id
    assert (
        job.begin == first["wait"].begin <= first["wait"].end <= first["decode"].begin <= first["decode"].end <= job.end
    )
    assert first["decode"].links == (second["decode"].parent,)
    assert traces[3]["stt job"].failed
    assert traces[4]["stt job"].failed


async def test_a_translation_job_of_before_is_read(redis: Redis) -> None:
    """An entry without the field is what it always was."""
    await redis.xgroup_create(KEYS.transcriptions, TRANSLATION_GROUP, id="0", mkstream=True)
    sessions, worker = SessionStore(redis, KEYS), WorkerStore(redis, KEYS)
    await sessions.submit_audio(JOB, RECORD, "", 0)
    await worker.commit_transcript(await claim(redis), JOB, HEARD, [TEXT])
    [entry] = await fields(redis, KEYS.transcriptions)
    assert set(entry) == {b"job", b"ms"}
