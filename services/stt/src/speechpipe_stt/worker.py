"""The worker: audio jobs in, transcripts out, the model on a thread of its own."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from speechpipe_common import process
from speechpipe_common.consumer import Entry, ShardContext, Work, WorkerContext, serve_worker
from speechpipe_common.cores import model_threads
from speechpipe_common.keys import SAMPLE_RATE, STT_GROUP
from speechpipe_common.logs import configure, get_logger
from speechpipe_common.messages import AudioJob, Failure
from speechpipe_common.store import MissingAudio, Overtaken
from speechpipe_stt import jobs
from speechpipe_stt.decoding import Decoding, Heard, Order
from speechpipe_stt.engine import Engine, EngineError, ModelError, SteppingEngine, Transcription
from speechpipe_stt.metrics import Dropped, SttMetrics
from speechpipe_stt.settings import SttSettings

COMPONENT = "stt"

READS: Final = 4
"""Reads in hand at most: one being decoded, one waiting, and both again where a read brought finals and partials."""

EngineLoader = Callable[[SttSettings], Engine]
"""Blocks until the model is in memory."""

_log = get_logger(__name__)


class SttHandler:
    """Settles audio jobs as their outcomes come; several calls at a time share the one model."""

    def __init__(self, context: ShardContext, settings: SttSettings, decoding: Decoding, metrics: SttMetrics) -> None:
        self._context = context
        self._settings = settings
        self._decoding = decoding
        self._metrics = metrics

    async def __call__(self, entries: Sequence[Entry[AudioJob]]) -> None:
        """Drop what nobody waits for, read the audio of the rest in one round trip, decode, commit.

        Raises:
            redis.RedisError: the audio could not be read, or an outcome not be written.
            Exception: the engine failed as a whole; the jobs come again, alone.
        """
        now = time.time()
        wanted = []
        for entry in entries:
            self._context.metrics.waited(entry.ref.stream, now - entry.job.submitted_at)
            if jobs.expired(entry.job, now):
                await self._drop(entry, "expired")
            else:
                wanted.append(entry)
        audible = await self._with_audio(wanted)
        if audible:
            await self._settle_all(audible)

    async def _with_audio(self, entries: Sequence[Entry[AudioJob]]) -> list[tuple[Entry[AudioJob], bytes]]:
        """Each entry with its whole audio; those that lack it or are overtaken are settled here."""
        if not entries:
            return []
        audible = []
        fetched = await self._context.store.read_audio([entry.job for entry in entries])
        for entry, audio in zip(entries, fetched, strict=True):
            match audio:
                case Overtaken():
                    await self._drop(entry, "overtaken")
                case MissingAudio():
                    await self._fail(entry, jobs.missing(entry.job, audio))
                case bytes():
                    audible.append((entry, audio))
        return audible

    async def _settle_all(self, audible: Sequence[tuple[Entry[AudioJob], bytes]]) -> None:
        prepared = await self._decoding.prepare(
            [jobs.utterance(entry.job, pcm, self._settings) for entry, pcm in audible]
        )
        # All of them wait before the first call is made, so that it can take them together.
        states: list[Order | Heard] = [
            Heard(each, 0.0) if isinstance(each, Transcription | EngineError) else self._decoding.enqueue(entry, each)
            for (entry, _), each in zip(audible, prepared, strict=True)
        ]
        settling = [self._settle(entry, state) for (entry, _), state in zip(audible, states, strict=True)]
        failures = [error for error in await asyncio.gather(*settling, return_exceptions=True) if error]
        if failures:
            raise failures[0]

    async def _settle(self, entry: Entry[AudioJob], state: Order | Heard) -> None:
        heard = await self._decoding.outcome(state) if isinstance(state, Order) else state
        if not isinstance(heard, Heard):
            await self._drop(entry, heard)
        elif isinstance(heard.outcome, EngineError):
            await self._fail(entry, jobs.undecodable(entry.job, heard.outcome))
        else:
            await self._commit(entry, heard.outcome, heard.seconds)

    async def _commit(self, entry: Entry[AudioJob], heard: Transcription, seconds: float) -> None:
        job = entry.job
        self._metrics.decoded(job.kind, (job.end - job.start) / SAMPLE_RATE)
        result = jobs.transcript(job, heard, seconds)
        texts = jobs.translations(job, heard, time.time())
        store = self._context.store
        with entry.span.child("commit") as span:
            outcome = await self._context.link.insist(
                lambda: store.commit_transcript(entry.ref, job, result, texts, entry.span.context)
            )
            span.note(outcome=outcome)
        entry.span.note(kind=job.kind, segment=job.segment, rev=job.rev, language=heard.language)
        entry.span.end()
        self._context.metrics.settled(entry.ref.stream, outcome)
        _log.debug(
            "decoded",
            client=job.client,
            segment=job.segment,
            rev=job.rev,
            kind=job.kind,
            outcome=outcome,
            seconds=round(seconds, 3),
            characters=len(heard.text),
        )

    async def _fail(self, entry: Entry[AudioJob], failure: Failure) -> None:
        self._metrics.failed(failure.code)
        entry.span.fail(failure.code)
        store = self._context.store
        outcome = await self._context.link.insist(lambda: store.commit_failure(entry.ref, entry.job, failure))
        self._context.metrics.settled(entry.ref.stream, outcome)
        _log.warning(
            "job_failed",
            client=entry.job.client,
            segment=entry.job.segment,
            rev=entry.job.rev,
            code=failure.code,
            reason=failure.message,
            retry=failure.retry,
        )

    async def _drop(self, entry: Entry[AudioJob], reason: Dropped) -> None:
        self._metrics.dropped(reason)
        entry.span.event("dropped", reason=reason)
        store = self._context.store
        await self._context.link.insist(lambda: store.drop(entry.ref))
        self._context.metrics.settled(entry.ref.stream, "dropped")


def load_engine(settings: SttSettings) -> Engine:
    """The faster-whisper engine that the settings ask for.

    Raises:
        ModelError: the model cannot be had or loaded.
    """
    # Here, so that settings are refused and health is served before the second that these imports take.
    from speechpipe_stt.models import load

    return load(settings)


async def serve(settings: SttSettings, stop: asyncio.Event, loader: EngineLoader = load_engine) -> None:
    """Load the model and work until ``stop`` is set; see ``serve_worker``."""
    executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    async def load(context: WorkerContext) -> Work[AudioJob]:
        metrics = SttMetrics(context.registry)
        began = time.monotonic()
        engine = await asyncio.get_running_loop().run_in_executor(executor, loader, settings)
        metrics.model_loaded()
        _log.info("model_loaded", model=settings.model_size, seconds=round(time.monotonic() - began, 2))
        # More than it can decode together would only be kept from idle workers.
        most = (settings.max_batch_size or engine.batch_size) if isinstance(engine, SteppingEngine) else 1
        threads = model_threads(settings.cpu_threads)
        decoding = Decoding(engine, most, executor, metrics, settings.model_size, preparing=threads)
        return Work(
            streams=(context.keys.audio_jobs, context.keys.audio_partials),
            group=STT_GROUP,
            decode=jobs.read_job,
            handler=lambda shard: SttHandler(shard, settings, decoding, metrics),
            max_batch=most,
            parallel=READS,
            gate=decoding.wants_more,
            close=decoding.close,
        )

    try:
        await serve_worker(settings, COMPONENT, load, stop)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def run(settings: SttSettings, loader: EngineLoader = load_engine) -> int:
    """Run the worker process to its end; returns the exit status."""
    named = settings.model_copy(update={"instance_id": process.instance_name(COMPONENT, settings.instance_id)})
    configure(component=COMPONENT, instance_id=named.instance_id, level=named.log_level, form=named.log_format)
    # It says at level info that it begins with each utterance.
    logging.getLogger("faster_whisper").setLevel(logging.WARNING)
    status = 0

    async def main(stop: asyncio.Event) -> None:
        nonlocal status
        try:
            await serve(named, stop, loader)
        except ModelError as error:
            _log.error("model_unavailable", reason=str(error))
            status = 1

    return process.run(main) or status
