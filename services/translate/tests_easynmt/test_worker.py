"""The worker process with the trained model in CTranslate2, on a real Valkey."""

from functools import partial
from pathlib import Path

from worker_world import KEYS, Pipeline, Worker, job, texts  # type: ignore[import-not-found]  # beside the other tests

from speechpipe_common.messages import TextJob
from speechpipe_common.testing import eventually

DELIVERIES = "9"
"""So many that no job is given up for having been in the hands of workers that were killed."""


def german(pairs: dict[str, str], count: int) -> tuple[list[TextJob], list[tuple[int, str, str]]]:
    """Finals of as many segments, and what is to come of them."""
    known = list(pairs.items())
    chosen = [known[number % len(known)] for number in range(count)]
    jobs = [job(english, "de", segment=number) for number, (english, _) in enumerate(chosen)]
    return jobs, [(number, "de", text) for number, (_, text) in enumerate(chosen)]


def worker(valkey: str, models: Path, **environment: str) -> Worker:
    """A worker that translates every text anew, so that each batch is work."""
    neural = {"TRANSLATION_ENGINE": "ctranslate2", "MODEL_DIR": str(models), "DEVICE": "cpu"}
    return Worker(valkey, **neural, REMEMBERED_SENTENCES="0", MAX_DELIVERIES=DELIVERIES, **environment)


async def test_killed_in_the_middle_of_batches(
    valkey: str, pipeline: Pipeline, converted: Path, pairs: dict[str, str]
) -> None:
    """Workers killed while batches are under way lose no final and double none."""
    finals, expected = german(pairs, 480)
    for first in range(0, 450, 150):
        await pipeline.submit(*finals[first : first + 150])
        victim = worker(valkey, converted, BEAM_SIZE="16")
        await victim.start()
        await eventually(partial(heard_from, pipeline, first), "a first answer")
        await victim.kill()
    await pipeline.submit(*finals[450:])
    last = worker(valkey, converted)
    await last.start()
    await eventually(pipeline.settled, "all finals")
    await last.kill()
    assert texts(await pipeline.replayed()) == texts(pipeline.heard) == expected
    assert await pipeline.redis.xlen(KEYS.dead_letters) == 0


async def test_a_text_that_the_model_cannot_take(
    valkey: str, pipeline: Pipeline, converted: Path, pairs: dict[str, str]
) -> None:
    """Of a batch with one text beyond the model's positions, all others come out at the first delivery; that one is
    buried in the end, and its client told.
    """
    finals, expected = german(pairs, 15)
    await pipeline.submit(*finals[:7], job("the dog sees the house " * 40, "de", segment=1000), *finals[7:])
    one = worker(valkey, converted, MAX_DECODING_LENGTH="256")
    await one.start()
    await eventually(pipeline.settled, "all jobs")
    redelivered = await one.metric(f'speechpipe_jobs_redelivered_total{{stream="{KEYS.transcriptions}"}}')
    await one.kill()
    assert texts(await pipeline.replayed()) == expected
    assert redelivered == int(DELIVERIES)  # the last time to be buried
    [letter] = await pipeline.redis.xrange(KEYS.dead_letters) or []
    assert b'"segment":1000' in letter[1][b"job"]


def heard_from(pipeline: Pipeline, segment: int) -> bool:
    """Whether this or a later segment's translation was heard."""
    return any(delivery.body.segment >= segment for delivery in pipeline.heard)
