"""The translation worker: text jobs in, translations out."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

from speechpipe_common import process
from speechpipe_common.consumer import Entry, ShardContext, Work, WorkerContext, serve_worker
from speechpipe_common.keys import TRANSLATION_GROUP
from speechpipe_common.logs import configure, get_logger
from speechpipe_common.messages import Failure, TextJob, Translated, decode
from speechpipe_translate.dispatching import Answer, Dispatcher
from speechpipe_translate.engines.opening import open_engine
from speechpipe_translate.errors import EngineUnavailable
from speechpipe_translate.jobs import answer
from speechpipe_translate.memory import Memory
from speechpipe_translate.metrics import TranslateMetrics
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.settings import TranslateSettings
from speechpipe_translate.translator import Translator

COMPONENT = "translate"

READS: Final = 16
"""Reads in hand at most; what bounds the jobs in hand is what the dispatcher wants."""

_MEGABYTE: Final = 1 << 20
_log = get_logger(__name__)


class TranslationHandler:
    """Settles text jobs as their answers come.

    Args:
        context: the store, and what is known of Redis.
        dispatcher: shares the models among all jobs of this worker.
        metrics: counts what is dropped.
    """

    def __init__(self, context: ShardContext, dispatcher: Dispatcher, metrics: TranslateMetrics) -> None:
        self._context = context
        self._metrics = metrics
        self._dispatcher = dispatcher

    async def __call__(self, entries: Sequence[Entry[TextJob]]) -> None:
        """Translate what is wanted, and drop the rest.

        Raises:
            redis.RedisError: an answer could not be written, or a partial's segment not be asked for.
            Exception: the models failed as a whole; the jobs come again, alone.
        """
        now = time.time()
        for entry in entries:
            self._context.metrics.waited(entry.ref.stream, now - entry.job.submitted_at)
        settling = [self._settle(entry, over) for entry, over in zip(entries, await self._over(entries), strict=True)]
        failures = [error for error in await asyncio.gather(*settling, return_exceptions=True) if error]
        if failures:
            raise failures[0]

    async def _over(self, entries: Sequence[Entry[TextJob]]) -> list[bool]:
        """Whether each is a partial whose segment is final, by any worker; one round trip where there are partials."""
        partials = [entry.job for entry in entries if not entry.job.final]
        if not partials:
            return [False] * len(entries)
        answers = iter(await self._context.store.have_finals(partials))
        return [not entry.job.final and next(answers) for entry in entries]

    async def _settle(self, entry: Entry[TextJob], over: bool) -> None:
        answered = "overtaken" if over else await self._dispatcher.answer(entry)
        if not isinstance(answered, Answer):
            self._metrics.dropped(answered)
            entry.span.event("dropped", reason=answered)
            await self._drop(entry)
            return
        result = answer(entry.job, answered.outcome, answered.seconds)
        if isinstance(result, Failure):
            await self._fail(entry, result)
        else:
            await self._commit(entry, result)

    async def _commit(self, entry: Entry[TextJob], result: Translated) -> None:
        store = self._context.store
        with entry.span.child("commit") as span:
            settled = await self._context.link.insist(lambda: store.commit_translation(entry.ref, entry.job, result))
            span.note(outcome=settled)
        entry.span.note(segment=entry.job.segment, rev=entry.job.rev, source=result.source, target=result.language)
        entry.span.end()
        self._context.metrics.settled(entry.ref.stream, settled)

    async def _fail(self, entry: Entry[TextJob], failure: Failure) -> None:
        entry.span.fail(failure.code)
        _log.warning("translation_failed", code=failure.code, reason=failure.message, segment=failure.segment)
        if failure.retry and entry.job.final:
            # Left in the group: it is delivered again, alone, and buried in the end.
            return
        if failure.retry:
            await self._drop(entry)
            return
        store = self._context.store
        settled = await self._context.link.insist(lambda: store.commit_failure(entry.ref, entry.job, failure))
        self._context.metrics.settled(entry.ref.stream, settled)

    async def _drop(self, entry: Entry[TextJob]) -> None:
        if await self._context.link.insist(lambda: self._context.store.drop(entry.ref)):
            self._context.metrics.settled(entry.ref.stream, "dropped")


async def serve(settings: TranslateSettings, stop: asyncio.Event) -> None:
    """Run the worker until ``stop`` is set.

    Raises:
        EngineUnavailable: what the engine needs is not on this machine.
        HealthPortError: the health port is taken.
    """

    async def load(context: WorkerContext) -> Work[TextJob]:
        engine = await asyncio.to_thread(open_engine, settings)
        _log.info("engine_opened", engine=settings.translation_engine, pairs=sorted(map(str, engine.pairs)))
        metrics = TranslateMetrics(context.registry)
        pool = ModelPool(engine, max_pairs=settings.max_loaded_pairs, memory_limit=settings.memory_limit_mb * _MEGABYTE)
        memory = Memory(settings.remembered_sentences)
        translator = Translator(engine, pool, settings.pivot_languages.split(","), memory, metrics.looked_up)
        metrics.watch_loaded(lambda: len(pool.pairs))
        dispatcher = Dispatcher(translator.translate, settings.max_batch_size, settings.model_threads, metrics)

        async def close() -> None:
            await dispatcher.close()
            pool.close()

        return Work(
            streams=(context.keys.transcriptions, context.keys.text_partials),
            group=TRANSLATION_GROUP,
            decode=lambda payload: decode(payload, TextJob),
            handler=lambda shard: TranslationHandler(shard, dispatcher, metrics),
            max_batch=settings.max_batch_size,
            parallel=READS,
            gate=dispatcher.wants_more,
            close=close,
        )

    await serve_worker(settings, COMPONENT, load, stop)


def run(settings: TranslateSettings) -> int:
    """Run the worker process to its end; returns the exit status."""
    named = settings.model_copy(update={"instance_id": process.instance_name(COMPONENT, settings.instance_id)})
    configure(component=COMPONENT, instance_id=named.instance_id, level=named.log_level, form=named.log_format)
    status = 0

    async def main(stop: asyncio.Event) -> None:
        nonlocal status
        try:
            await serve(named, stop)
        except EngineUnavailable as error:
            _log.error("engine_unavailable", reason=str(error))
            status = 1

    return process.run(main) or status
