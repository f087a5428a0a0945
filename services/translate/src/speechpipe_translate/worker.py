"""The translation worker: text jobs in, translations out."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from speechpipe_common import process
from speechpipe_common.consumer import Entry, Work, WorkerContext, serve_worker, together
from speechpipe_common.keys import TRANSLATION_GROUP
from speechpipe_common.logs import configure, get_logger
from speechpipe_common.messages import Failure, TextJob, Translated, decode
from speechpipe_translate.engines.opening import open_engine
from speechpipe_translate.errors import EngineUnavailable
from speechpipe_translate.jobs import answer, group_by_direction, is_wanted
from speechpipe_translate.metrics import TranslateMetrics
from speechpipe_translate.pool import ModelPool
from speechpipe_translate.settings import TranslateSettings
from speechpipe_translate.translator import Translator

COMPONENT = "translate"
_MEGABYTE = 1 << 20
_log = get_logger(__name__)


class TranslationHandler:
    """Settles batches of text jobs.

    Args:
        context: the store, and what is known of Redis.
        translator: does the work, in threads of ``executor``.
        executor: as many threads as batches may compute at once.
        metrics: counts it.
    """

    def __init__(
        self,
        context: WorkerContext,
        translator: Translator,
        executor: ThreadPoolExecutor,
        metrics: TranslateMetrics,
    ) -> None:
        self._context = context
        self._metrics = metrics
        self._translator = translator
        self._executor = executor

    async def __call__(self, entries: Sequence[Entry[TextJob]]) -> None:
        """Translate what is wanted, direction by direction, and drop the rest."""
        now = time.time()
        batch = [entry.job for entry in entries]
        wanted = [entry for entry in entries if is_wanted(entry.job, batch, now)]
        for entry in entries:
            self._context.metrics.waited(entry.ref.stream, now - entry.job.submitted_at)
            if entry not in wanted:
                self._metrics.dropped("unwanted")
                await self._drop(entry)
        groups = group_by_direction([entry.job for entry in wanted])
        async with asyncio.TaskGroup() as tasks:
            for (source, target), positions in groups.items():
                tasks.create_task(self._translate(source, target, [wanted[position] for position in positions]))

    async def _translate(self, source: str, target: str, entries: Sequence[Entry[TextJob]]) -> None:
        began = time.monotonic()
        texts = [entry.job.text for entry in entries]
        loop = asyncio.get_running_loop()
        with together("translate", entries, source=source, target=target):
            outcomes = await loop.run_in_executor(self._executor, self._translator.translate, source, target, texts)
        seconds = time.monotonic() - began
        self._metrics.translated(source, target, outcomes, seconds)
        for entry, outcome in zip(entries, outcomes, strict=True):
            result = answer(entry.job, outcome, seconds)
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
        metrics.watch_loaded(lambda: len(pool.pairs))
        executor = ThreadPoolExecutor(settings.model_threads, thread_name_prefix="model")

        async def close() -> None:
            await asyncio.to_thread(executor.shutdown, cancel_futures=True)
            pool.close()

        return Work(
            streams=(context.keys.transcriptions, context.keys.text_partials),
            group=TRANSLATION_GROUP,
            decode=lambda payload: decode(payload, TextJob),
            handler=TranslationHandler(
                context, Translator(engine, pool, settings.pivot_languages.split(",")), executor, metrics
            ),
            max_batch=settings.max_batch_size,
            parallel=settings.model_threads,
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
