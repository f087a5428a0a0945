"""From events to reconciles to status: what happens to one pipeline, and when."""

import time
from collections.abc import Callable
from typing import Final

from pydantic import ValidationError

from speechpipe_common.logs import get_logger
from speechpipe_operator.handlers import WatchEvent
from speechpipe_operator.kube import KubeError
from speechpipe_operator.observed import ApplyReport
from speechpipe_operator.plan import make_plan
from speechpipe_operator.reconcile import Deps, PipelineKey, ReconcileResult, reconcile_pipeline
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_operator.runtime.queue import NEVER, RetryLater
from speechpipe_operator.runtime.rolling import RollGate
from speechpipe_operator.runtime.scalers import Scaling
from speechpipe_operator.runtime.seen import Seen, seen
from speechpipe_operator.runtime.teller import Teller
from speechpipe_operator.spec import KIND, SpeechPipeline
from speechpipe_operator.status import Subject, invalid_status, make_status

PLACE_SECONDS: Final = 5.0
"""A pipeline that waits for a place to roll asks again after this."""

PERMANENT_SECONDS: Final = 60.0
"""A problem that only somebody's doing ends is looked at again after this: a quota or a permission tells nobody."""


class Controller:
    """Knows every pipeline. All of it belongs to one event loop.

    Args:
        deps: what a reconcile works with.
        scalers: the autoscalers.
        teller: writes status.
        gate: who may roll.
        metrics: counts.
        enqueue: has a pipeline looked at soon.
        forget: the queue need not know a pipeline any more.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        deps: Deps,
        scalers: Scaling,
        teller: Teller,
        gate: RollGate,
        metrics: OperatorMetrics,
        enqueue: Callable[[PipelineKey], None],
        forget: Callable[[PipelineKey], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._deps, self._scalers, self._teller, self._gate = deps, scalers, teller, gate
        self._metrics, self._enqueue, self._forget, self._clock = metrics, enqueue, forget, clock
        self.pipelines: dict[PipelineKey, Seen] = {}
        self._results: dict[PipelineKey, ReconcileResult] = {}
        self._to_reconcile: set[PipelineKey] = set()
        """Waiting keys whose children may not be right."""
        self._only_told: set[PipelineKey] = set()
        """Waiting keys of which nothing but numbers has changed."""
        self._scaled_early: set[str] = set()
        """UIDs of pipelines whose scaler was started before their first reconcile."""
        self._log = get_logger(__name__)

    def take(self, event: WatchEvent) -> None:
        """An event of a watch."""
        self._metrics.event(event.kind)
        if event.kind == KIND:
            self._take_pipeline(event)
            return
        key = self._deps.cache.observe("DELETED" if event.gone else "MODIFIED", event.object)
        if key is not None and key in self.pipelines:
            self.look(key)

    def look(self, key: PipelineKey) -> None:
        """The pipeline, or a child of it, may not be as it should."""
        self._to_reconcile.add(key)
        self._enqueue(key)

    def scaled(self, key: PipelineKey) -> None:
        """The autoscaler has something new to say, and nothing else."""
        result = self._results.get(key)
        if result is None or result.retry_after is not None or result.report.problems:
            self.look(key)
            return
        self._only_told.add(key)  # until it is handled; a wish to reconcile that is there already goes first
        self._enqueue(key)

    def lost(self, key: PipelineKey) -> None:
        """The pipeline is not there any more, though no event said so."""
        pipeline = self.pipelines.pop(key, None)
        if pipeline is not None:
            self._drop(pipeline)

    async def handle(self, key: PipelineKey) -> float | None:
        """Bring one pipeline to what it should be; see ``WorkQueue``."""
        pipeline = self.pipelines.get(key)
        if pipeline is None or pipeline.deleting:
            self._scalers.drop(key)
            return NEVER
        only_told = key in self._only_told and key not in self._to_reconcile
        self._only_told.discard(key)
        result = self._results.get(key) if only_told else None
        if result is None:
            changed = pipeline.previous().get("observedGeneration") != pipeline.generation
            if not self._gate.enter(key, self._clock(), spec_changed=changed):
                self._scale_meanwhile(pipeline)
                return PLACE_SECONDS
            self._to_reconcile.discard(key)
            try:
                result = await self._reconcile(pipeline)
            except BaseException:
                self._to_reconcile.add(key)
                raise
        again = await self._say(pipeline, result)
        return _soonest(again, result.retry_after, self._after(result.report))

    async def _reconcile(self, pipeline: Seen) -> ReconcileResult:
        result = await reconcile_pipeline(pipeline.key, pipeline.body(), self._deps)
        before = self._results.get(pipeline.key)
        self._results[pipeline.key] = result
        for child in result.report.applied:
            self._metrics.wrote("apply", child.kind)
        for child in result.report.pruned:
            self._metrics.wrote("prune", child.kind)
        known = before.report.problems if before is not None else ()
        for problem in result.report.problems:
            self._metrics.problem(problem.reason)
            if problem not in known:
                self._log.warning(
                    "problem", pipeline=str(pipeline.key), child=str(problem.child), reason=problem.message
                )
        if result.pipeline is not None and result.plan is not None:
            self._scalers.update(pipeline.key, result.pipeline, result.plan)
        wrote = any(child.kind in ("Deployment", "StatefulSet") for child in result.report.applied)
        rolling = any(item.rolling for item in result.observed.workloads)
        self._gate.settle(pipeline.key, wrote=wrote, rolling=rolling)
        return result

    def _scale_meanwhile(self, pipeline: Seen) -> None:
        """A pipeline that has to wait for its reconcile is scaled all the same."""
        if pipeline.uid in self._scaled_early:
            return
        self._scaled_early.add(pipeline.uid)
        try:
            parsed = SpeechPipeline.model_validate(pipeline.body())
        except ValidationError:
            return  # said when its turn has come
        self._scalers.update(pipeline.key, parsed, make_plan(parsed))

    async def _say(self, pipeline: Seen, result: ReconcileResult) -> float | None:
        previous, now = pipeline.previous(), time.time()
        if result.pipeline is None or result.plan is None:
            if not result.invalid:
                return None
            status = invalid_status(list(result.invalid), previous, pipeline.generation, now)
        else:
            observed = self._deps.cache.observed(pipeline.key, result.observed.missing_secrets)
            scaling = self._scalers.report(pipeline.key)
            subject = Subject(result.pipeline, result.plan, observed, result.report, scaling)
            status = make_status(subject, previous, pipeline.generation, now)
            self._metrics.of_pipelines.observed(*pipeline.key, observed)
        paused = result.pipeline is not None and result.pipeline.spec.paused
        self._metrics.of_pipelines.told(*pipeline.key, status, paused=paused)
        try:
            told, again = await self._teller.tell(pipeline, status)
        except KubeError as error:
            self._metrics.problem("StatusNotWritten")
            self._log.warning("status_not_written", pipeline=str(pipeline.key), reason=str(error))
            raise RetryLater from error
        current = self.pipelines.get(pipeline.key)
        if current is not None and current.uid == told.uid and current.version < told.version:
            self.pipelines[pipeline.key] = current.with_status(told.previous(), told.version)
        return again

    def _after(self, report: ApplyReport) -> float | None:
        if any(not problem.permanent for problem in report.problems):
            raise RetryLater
        return PERMANENT_SECONDS if report.problems else None

    def _take_pipeline(self, event: WatchEvent) -> None:
        new = seen(event.object)
        old = self.pipelines.get(new.key)
        if event.gone:
            if old is not None and old.uid == new.uid:
                self.lost(new.key)
            return
        if old is not None and old.uid == new.uid and new.version < old.version:
            return
        if old is not None and old.uid != new.uid:
            self._drop(old)
        self.pipelines[new.key] = new
        self._metrics.pipelines(len(self.pipelines))
        if old is None or not old.same_wish(new):
            self.look(new.key)
        elif old.status != new.status:
            self.scaled(new.key)  # somebody else wrote the status: it is said anew

    def _drop(self, pipeline: Seen) -> None:
        key = pipeline.key
        self._scalers.drop(key)
        self._gate.forget(key)
        self._teller.forget(pipeline.uid)
        self._scaled_early.discard(pipeline.uid)
        self._deps.cache.drop(key)
        self._results.pop(key, None)
        self._only_told.discard(key)
        self._to_reconcile.discard(key)
        self._forget(key)
        self._metrics.pipelines(len(self.pipelines))
        self._metrics.of_pipelines.forget(*key)


def _soonest(*waits: float | None) -> float | None:
    return min((wait for wait in waits if wait is not None), default=None)
