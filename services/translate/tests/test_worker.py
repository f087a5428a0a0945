"""The worker process, end to end: a real Valkey, the real process, real Apertium."""

import asyncio
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from worker_world import CLIENT, KEYS, Pipeline, Worker, job, texts

from speechpipe_common.keys import TRANSLATION_GROUP, done_member
from speechpipe_common.messages import Failure, Translated
from speechpipe_common.testing import eventually


async def test_a_final_is_translated_once(pipeline: Pipeline, worker: Worker) -> None:
    """A text job comes out once on the channel and once in the stream under the same id, and the job is gone."""
    await pipeline.submit(job("I saw the house."), job("I saw the house.", submitted_at=1.0))
    await eventually(pipeline.settled, "both jobs")
    replayed = await pipeline.replayed()
    assert texts(replayed) == texts(pipeline.heard) == [(16000, "es", "Vi la casa.")]
    [(entry, _)] = await pipeline.redis.xrange(KEYS.results(CLIENT)) or []
    assert pipeline.heard[0].id == entry.decode()
    body = pipeline.heard[0].body
    assert isinstance(body, Translated)
    assert (body.rev, body.final, body.source) == (2, True, "en")
    assert body.processing_time > 0


async def test_several_targets_each_get_their_text(pipeline: Pipeline, worker: Worker) -> None:
    """One segment wanted in several languages comes out once in each, by way of a pivot where it must."""
    await pipeline.submit(*(job("The house is big.", target) for target in ("es", "fr", "pt", "it", "en")))
    await eventually(lambda: len(pipeline.heard) == 5, "five translations")
    found = {language: text for _, language, text in texts(await pipeline.replayed())}
    assert found["es"] == "La casa es grande."
    assert found["fr"] == "La maison est grande."
    assert found["en"] == "The house is big."
    assert set(found) == {"es", "fr", "pt", "it", "en"}


async def test_a_partial_is_published_only(pipeline: Pipeline, worker: Worker) -> None:
    """A partial's translation reaches the channel without an id, and is not kept; an expired one is dropped unheard."""
    now = time.time()
    await pipeline.submit(
        job("old news", final=False, rev=1, segment=1, expires_at=now - 1),
        job("two houses", final=False, rev=1, segment=2, expires_at=now + 600),
    )
    await eventually(pipeline.settled, "both partials")
    [delivery] = pipeline.heard
    assert (delivery.id, delivery.body.segment, delivery.body.final) == ("", 2, False)
    assert await pipeline.replayed() == []


async def test_what_waits_is_translated_in_few_calls(valkey: str, pipeline: Pipeline) -> None:
    """Forty finals that wait when a worker comes are translated in calls of sixteen, and each has its own text."""
    await pipeline.submit(*(job(f"I saw {number} houses.", segment=number) for number in range(40)))
    worker = Worker(valkey, MAX_BATCH_SIZE="16")
    await worker.start()
    await eventually(pipeline.settled, "all jobs")
    assert texts(pipeline.heard) == [(number, "es", f"Vi {number} casas.") for number in range(40)]
    assert await worker.metric("speechpipe_translate_batch_size_sum") == 40
    assert await worker.metric("speechpipe_translate_batch_size_count") == 3
    await worker.kill()


async def test_a_partial_of_a_final_segment_is_dropped_untranslated(pipeline: Pipeline, worker: Worker) -> None:
    """A partial whose segment became final, by whichever worker, is acknowledged unheard; the others are not."""
    await pipeline.redis.sadd(KEYS.done(CLIENT), done_member(1, "final"))
    await pipeline.submit(
        job("too late", final=False, segment=1), job("two houses", final=False, segment=2), job("final", segment=3)
    )
    await eventually(pipeline.settled, "all jobs")
    assert {delivery.body.segment for delivery in pipeline.heard} == {2, 3}
    assert await worker.metric('speechpipe_translate_partials_dropped_total{reason="overtaken"}') == 1
    assert await worker.metric("speechpipe_translate_batch_size_sum") == 2


async def test_a_final_that_was_a_partial_is_remembered(pipeline: Pipeline, worker: Worker) -> None:
    """A final with the text of a partial before it is answered without the engine, and counted as a hit."""
    await pipeline.submit(job("I saw the house.", final=False, rev=1))
    await eventually(pipeline.settled, "the partial")
    assert await worker.metric('speechpipe_translate_lookups_total{result="hit"}') == 0
    await pipeline.submit(job("I saw the house.", rev=2))
    await eventually(lambda: len(pipeline.heard) == 2, "the final")
    assert texts(pipeline.heard) == [(16000, "es", "Vi la casa.")] * 2
    assert await worker.metric('speechpipe_translate_lookups_total{result="hit"}') == 1
    assert await worker.metric('speechpipe_translate_lookups_total{result="miss"}') == 1


async def test_an_unsupported_pair_is_a_last_word(pipeline: Pipeline, worker: Worker) -> None:
    """A pair that no route reaches, or a language that does not exist, is answered at once by a Failure for good."""
    await pipeline.submit(job("hello", "ja", 1), job("hello", "klingon", 2), job("Hello.", "es", 3))
    await eventually(lambda: len(pipeline.heard) == 3, "three answers")
    failures = {item.body.segment: item.body for item in await pipeline.replayed() if isinstance(item.body, Failure)}
    assert {segment: body.code for segment, body in failures.items()} == {1: "unsupported_pair", 2: "unknown_language"}
    assert not any(body.retry for body in failures.values())
    assert failures[1].language == "ja"
    assert "en to ja" in failures[1].message
    assert await pipeline.left() == 0


def heard_from(pipeline: Pipeline, segment: int) -> bool:
    """Whether this or a later segment's translation was heard."""
    return any(delivery.body.segment >= segment for delivery in pipeline.heard)


async def test_killed_workers_lose_and_double_nothing(valkey: str, pipeline: Pipeline) -> None:
    """Finals submitted while workers are killed one after the other all come out, each once."""
    finals = [job(f"I saw {number} houses.", segment=number) for number in range(200)]
    for first in range(0, 180, 60):
        victim = Worker(valkey)
        await victim.start()
        await pipeline.submit(*finals[first : first + 60])
        await eventually(partial(heard_from, pipeline, first), "a first answer")
        await victim.kill()
    last = Worker(valkey)
    await last.start()
    await pipeline.submit(*finals[180:])
    await eventually(pipeline.settled, "all finals")
    log = await last.stop()
    assert [segment for segment, _, _ in texts(await pipeline.replayed())] == list(range(200))
    assert len(pipeline.heard) == 200
    assert await pipeline.redis.xlen(KEYS.dead_letters) == 0
    assert "houses" not in log


async def test_a_job_that_breaks_the_engine_ends_as_a_dead_letter(
    valkey: str, pipeline: Pipeline, tmp_path: Path
) -> None:
    """A final on which the engine always breaks is tried MAX_DELIVERIES times, then buried and its client told once."""
    modes = tmp_path / "modes"
    modes.mkdir()
    (modes / "eng-spa.mode").write_text("false")
    worker = Worker(valkey, APERTIUM_DATADIR=str(tmp_path), MAX_DELIVERIES="2")
    await worker.start()
    await pipeline.submit(job("hello"), job("hello", final=False, segment=1))
    await eventually(pipeline.settled, "the burial")
    await worker.stop()
    [letter] = await pipeline.redis.xrange(KEYS.dead_letters) or []
    assert b"2 deliveries" in letter[1][b"reason"]
    assert [(item.body.code, item.body.retry, item.body.language) for item in pipeline.heard] == [
        ("gave_up", False, "es")
    ]


async def test_a_stopped_worker_leaves_in_good_order(pipeline: Pipeline, worker: Worker) -> None:
    """SIGTERM ends the worker with status 0, out of its group, without a word of the text in its log."""
    await pipeline.submit(job("The xyzzyq is secret."))
    await eventually(pipeline.settled, "the job")
    log = await worker.stop()
    assert worker.process.returncode == 0
    assert await pipeline.redis.xinfo_consumers(KEYS.transcriptions, TRANSLATION_GROUP) == []
    assert "xyzzyq" not in log


async def test_an_engine_that_is_not_there_ends_the_process(valkey: str, tmp_path: Path) -> None:
    """Without models the worker exits with status 1 and says which folder lacks them."""
    worker = Worker(valkey, TRANSLATION_ENGINE="ctranslate2", MODEL_DIR=str(tmp_path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "speechpipe_translate", env=worker._environment, stderr=asyncio.subprocess.PIPE
    )
    _, log = await process.communicate()
    assert process.returncode == 1
    assert f"MODEL_DIR={tmp_path}" in log.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRANSLATION_ENGINE", "babelfish"), ("PIVOT_LANGUAGES", "en,klingon"), ("MODEL_THREADS", "0"), ("DEVICE", "tpu")],
)
async def test_bad_settings_are_refused_by_name(valkey: str, name: str, value: str) -> None:
    """A value that is not allowed ends the process at once with status 2, naming variable and value."""
    worker = Worker(valkey, **{name: value})
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "speechpipe_translate", env=worker._environment, stderr=asyncio.subprocess.PIPE
    )
    _, log = await process.communicate()
    assert process.returncode == 2
    assert f"{name}='{value}' is refused" in log.decode()
