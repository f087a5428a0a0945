"""The real worker process between a real Valkey and real speech."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import jiwer
import pytest
import pytest_asyncio
from clips import Clip
from harness import PATIENCE, Client, Worker, client
from whisper_normalizer.basic import BasicTextNormalizer

from speechpipe_common.keys import STT_GROUP, Keys
from speechpipe_common.messages import Failure, TextJob, Transcript, decode
from speechpipe_common.testing import eventually

pytestmark = pytest.mark.timeout(600)

DAY_MS = 24 * 3600 * 1000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def worker(
    valkey: str, tiny_model: Path, base_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Worker]:
    """One worker with Whisper base on streams of its own."""
    process = Worker(valkey, tmp_path_factory.mktemp("stt") / "log", MODEL_SIZE="base", KEY_PREFIX="shared:")
    await process.ready()
    yield process
    process.kill()


@pytest_asyncio.fixture
async def session(valkey: str, worker: Worker, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of the shared worker, named after the test."""
    async with client(valkey, Keys("shared:"), request.node.name) as opened:
        yield opened


async def test_a_final_has_text_words_and_translations(session: Client, spoken: list[Clip]) -> None:
    """Spanish speech of an unnamed language becomes one Spanish final in session time and one job per target."""
    clip = next(clip for clip in spoken if clip.name == "es/conteo")
    turn = 100 * 16_000
    await session.say(turn, clip.pcm)
    await session.submit(session.job(turn, len(clip.audio), language=None, targets=("en", "fr")))
    (delivery,) = await eventually(session.finals, "a final", PATIENCE)
    final = delivery.body
    assert isinstance(final, Transcript)
    assert (final.segment, final.kind, final.language, final.start) == (turn, "final", "es", turn)
    assert final.language_probability > 0.9
    assert final.processing_time > 0
    assert final.words[0].start >= 100
    assert final.words[-1].end <= 100 + len(clip.audio) / 16_000
    entries = await session.redis.xrange(session.keys.transcriptions)
    texts = {entry.decode(): decode(fields[b"job"], TextJob) for entry, fields in entries}
    assert {text.target: entry for entry, text in texts.items()} == delivery.jobs
    assert {(text.text, text.source, text.final) for text in texts.values()} == {(final.text, "es", True)}
    await session.drained()


async def test_the_text_is_right(session: Client, human: list[Clip]) -> None:
    """Through Redis and the worker, speech that spans several audio blocks keeps its first and last words."""
    clip = next(clip for clip in human if clip.name == "austen-0870.wav")
    await session.say(0, clip.pcm)
    await session.submit(session.job(0, len(clip.audio)))
    ((final,), normalize) = (await session.heard(), BasicTextNormalizer())
    assert isinstance(final, Transcript)
    assert jiwer.wer(normalize(clip.text).replace("mister", "mr"), normalize(final.text)) <= 0.05


async def test_a_partial_is_only_published(session: Client, human: list[Clip]) -> None:
    """A partial is heard live, without words, and leaves nothing on the replay stream."""
    clip = human[0]
    await session.say(0, clip.pcm)
    await session.submit(session.job(0, len(clip.audio), "partial"))
    (partial,) = await session.heard()
    assert isinstance(partial, Transcript)
    assert (partial.kind, partial.words) == ("partial", ())
    assert "modern" in partial.text
    assert await session.finals() == []


async def test_stale_partials_are_dropped_unheard(session: Client, human: list[Clip]) -> None:
    """A partial that expired, or that a newer revision overtook, is acknowledged and never published."""
    clip = human[0]
    await session.say(0, clip.pcm)
    await session.submit(session.job(0, len(clip.audio), "partial", rev=1, expires_at=time.time() - 1))
    await session.submit(session.job(0, len(clip.audio), "partial", rev=2))
    await session.submit(session.job(0, len(clip.audio), "final", rev=3))
    await session.drained()
    assert {(body.kind, body.rev) for body in await session.heard() if isinstance(body, Transcript)} <= {
        ("partial", 2),
        ("final", 3),
    }
    assert len(await session.finals()) == 1


async def test_a_hole_is_a_failure_and_can_be_mended(session: Client, human: list[Clip]) -> None:
    """A job whose audio is short gives a failure to mend, never text; submitted again with its audio, a final."""
    clip = human[0]
    await session.say(0, clip.pcm[:-2])
    job = session.job(0, len(clip.audio))
    await session.submit(job)
    (failure,) = await session.heard()
    assert isinstance(failure, Failure)
    assert (failure.code, failure.retry, failure.segment) == ("audio_missing", True, 0)
    assert await session.finals() == []
    stored, _ = await session.store.append(session.name, 1, 0, 0, len(clip.pcm) - 2, clip.pcm[-2:])
    assert stored
    await session.submit(job)
    assert isinstance((await session.heard(2))[1], Transcript)


async def test_what_cannot_be_decoded_fails_for_good(session: Client, human: list[Clip]) -> None:
    """A language that Whisper lacks is the segment's last word, said once."""
    clip = human[0]
    await session.say(0, clip.pcm)
    await session.submit(session.job(0, len(clip.audio), language="tlh"))
    (failure,) = await session.heard()
    assert isinstance(failure, Failure)
    assert (failure.code, failure.retry) == ("unsupported_language", False)
    assert [delivery.body for delivery in await session.finals()] == [failure]


async def test_a_malformed_range_is_buried(session: Client) -> None:
    """A job that names no possible range goes to the dead letters at once and stops nobody."""
    job = session.job(16_000, 16_000, start=0, end=0)
    await session.redis.xadd(session.keys.audio_jobs, {"job": json.dumps({**_fields(job), "start": 0, "end": 0})})
    await eventually(lambda: session.redis.xlen(session.keys.dead_letters), "a dead letter", PATIENCE)
    await session.drained()


def _fields(job: object) -> dict[str, object]:
    return {name: getattr(job, name) for name in job.__struct_fields__}  # type: ignore[attr-defined]


async def test_silence_is_an_empty_final(session: Client) -> None:
    """Two seconds of silence end as one final without text, and start no translation."""
    await session.say(0, bytes(64_000))
    await session.submit(session.job(0, 32_000, targets=("es",)))
    (final,) = await session.heard()
    assert isinstance(final, Transcript)
    assert (final.kind, final.text, final.words) == ("final", "", ())
    assert (await session.finals())[0].jobs == {}


async def test_the_worker_counts_its_work(worker: Worker, session: Client) -> None:
    """Metrics tell busy seconds, decoded audio, decode times and that the model is loaded; logs tell no text."""
    await session.say(0, bytes(32_000))
    await session.submit(session.job(0, 16_000))
    await session.drained()
    _, metrics = await worker.get("/metrics")
    for name in ("worker_busy_seconds_total", 'stt_audio_seconds_total{kind="final"}', "stt_decode_seconds_sum"):
        assert f"speechpipe_{name}" in metrics
    assert "speechpipe_stt_model_loaded 1.0" in metrics
    log = worker.log.read_text()
    assert "decoded" in log
    assert "modern" not in log.lower()


async def test_finals_come_first(valkey: str, tiny_model: Path, human: list[Clip], tmp_path: Path) -> None:
    """A final that was submitted after a partial of another segment is decoded before it."""
    keys, clip = Keys("urgent:"), human[0]
    async with client(valkey, keys, "urgent") as session:
        for turn, kind in ((0, "partial"), (1_000_000, "final")):
            await session.say(turn, clip.pcm)
            await session.submit(session.job(turn, len(clip.audio), kind))
        process = Worker(valkey, tmp_path / "log", MODEL_SIZE="tiny.en", KEY_PREFIX=keys.prefix)
        try:
            results = await session.heard(2)
        finally:
            process.kill()
    assert [body.kind for body in results if isinstance(body, Transcript)] == ["final", "partial"]


async def test_sigterm_finishes_what_is_in_hand(
    valkey: str, tiny_model: Path, human: list[Clip], tmp_path: Path
) -> None:
    """Told to stop while it decodes, a worker commits that job, leaves the rest to others, and exits 0."""
    keys, clip, turns = Keys("term:"), human[0], range(0, 200_000_000, 1_000_000)
    async with client(valkey, keys, "term") as session:
        process = Worker(valkey, tmp_path / "log", MODEL_SIZE="tiny.en", KEY_PREFIX=keys.prefix)
        await process.ready()
        for turn in turns:
            await session.say(turn, clip.pcm)
            await session.submit(session.job(turn, len(clip.audio)))
        await session.heard()
        process.terminate()
        assert await process.ended() == 0
        finals = len(await session.finals())
        assert 1 <= finals < len(turns)
        assert await session.redis.xlen(keys.audio_jobs) == len(turns) - finals
        # One that it had just read when it was told to stop is handed back: free for the next worker at once.
        read = await session.redis.xpending_range(keys.audio_jobs, STT_GROUP, "-", "+", len(turns))
        assert [job for job in read if job["time_since_delivered"] < DAY_MS] == []


async def test_a_poison_job_takes_nobody_along(
    valkey: str, tiny_model: Path, human: list[Clip], tmp_path: Path
) -> None:
    """A job that kills its worker each time ends in the dead letters; its batch-mates become finals."""
    keys, clip = Keys("poison:"), human[0]
    poison = b"\x00\x40\x00\xc0" * 8_000
    async with client(valkey, keys, "poison") as session:
        for turn, pcm in ((0, clip.pcm), (1_000_000, poison), (2_000_000, clip.pcm)):
            await session.say(turn, pcm)
            await session.submit(session.job(turn, len(pcm) // 2))
        crashes = 0
        while True:
            process = Worker(
                valkey,
                tmp_path / "log",
                (str(Path(__file__).with_name("crashing_worker.py")),),
                MODEL_SIZE="tiny.en",
                KEY_PREFIX=keys.prefix,
                MAX_BATCH_SIZE="4",
                STT_ENGINE="batched",
                CLAIM_IDLE_SECONDS="0.5",
            )

            async def over(process: Worker = process) -> bool:
                return process.process.poll() is not None or not await session.redis.xlen(keys.audio_jobs)

            await eventually(over, "a crash or the end of all jobs", PATIENCE)
            if process.process.poll() is None:
                process.kill()
                break
            assert process.process.returncode == -9, process.log.read_text()[-2000:]
            crashes += 1
        bodies = {delivery.body.segment: delivery.body for delivery in await session.finals()}
        assert crashes == 3
        assert await session.redis.xlen(keys.dead_letters) == 1
    assert isinstance(bodies[0], Transcript)
    assert isinstance(bodies[2_000_000], Transcript)
    assert isinstance(bodies[1_000_000], Failure)
    assert not bodies[1_000_000].retry
