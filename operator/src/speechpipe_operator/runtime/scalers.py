"""The autoscalers of all pipelines, and what of them the process shows."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from speechpipe_operator.autoscaling.hands import KubeScale
from speechpipe_operator.autoscaling.report import ScalingReport
from speechpipe_operator.autoscaling.scaler import PipelineScaler, Surroundings
from speechpipe_operator.autoscaling.scalers import Scalers
from speechpipe_operator.autoscaling.stages import ScaledPipeline, scaled_pipeline
from speechpipe_operator.components import Plan
from speechpipe_operator.kube import KubeApi
from speechpipe_operator.reconcile import ChildCache, PipelineKey
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_operator.runtime.redis_address import redis_address
from speechpipe_operator.spec import ExternalRedis, SpeechPipeline
from speechpipe_operator.status.pace import WORTHWHILE

News = Callable[[PipelineKey], None]


class Scaling(Protocol):
    """What the controller asks of autoscalers."""

    def update(self, key: PipelineKey, pipeline: SpeechPipeline, plan: Plan) -> None:
        """The pipeline asks for this now; its scaler starts where there is none."""

    def drop(self, key: PipelineKey) -> None:
        """The pipeline is gone, or must be left alone."""

    def report(self, key: PipelineKey) -> ScalingReport:
        """The newest decisions."""

    def replicas(self, key: PipelineKey, component: str) -> int | None:
        """The number that a component's workload is created with, where one is known."""

    async def close(self) -> None:
        """End them all."""


class NoScaling:
    """Where Redis is not polled: every number stays as it is."""

    def update(self, key: PipelineKey, pipeline: SpeechPipeline, plan: Plan) -> None:
        """Nothing follows from it."""

    def drop(self, key: PipelineKey) -> None:
        """Nothing was started."""

    def report(self, key: PipelineKey) -> ScalingReport:
        """No decision was made."""
        return ScalingReport()

    def replicas(self, key: PipelineKey, component: str) -> int | None:
        """Nobody knows better than the plan."""
        return None

    async def close(self) -> None:
        """Nothing runs."""


class PipelineScaling:
    """A scaler for each pipeline.

    Args:
        api: guarded by the lease.
        cache: what the scalers see.
        metrics: shows backlogs and decisions.
    """

    def __init__(self, api: KubeApi, cache: ChildCache, metrics: OperatorMetrics) -> None:
        self._api, self._cache, self._metrics = api, cache, metrics
        self._scalers: Scalers[PipelineKey] = Scalers(self._make)
        self._externals: dict[PipelineKey, ExternalRedis | None] = {}
        self._shown: dict[PipelineKey, int] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.news: News = lambda _: None
        """Told of a pipeline whose status has something new to say."""

    def update(self, key: PipelineKey, pipeline: SpeechPipeline, plan: Plan) -> None:
        """See ``Scaling``."""
        self._externals[key] = pipeline.spec.redis.external
        self._scalers.ensure(key, scaled_pipeline(pipeline.spec, plan))

    def drop(self, key: PipelineKey) -> None:
        """See ``Scaling``."""
        self._shown.pop(key, None)
        if self._externals.pop(key, self) is not self:
            task = asyncio.create_task(self._scalers.forget(key))
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)

    def report(self, key: PipelineKey) -> ScalingReport:
        """See ``Scaling``."""
        return self._scalers.report(key)

    def replicas(self, key: PipelineKey, component: str) -> int | None:
        """See ``Scaling``."""
        stage = self.report(key).stage(component)
        return stage.decision.replicas if stage else None

    async def close(self) -> None:
        """See ``Scaling``."""
        await self._scalers.close()
        await asyncio.gather(*self._ending)

    def _make(self, key: PipelineKey, pipeline: ScaledPipeline) -> PipelineScaler:
        async def address() -> str:
            return await redis_address(self._api, key, self._externals.get(key))

        world = Surroundings(
            observe=lambda: self._cache.observed(key),
            redis=address,
            api=KubeScale(self._api, key.namespace),
            report=lambda report: self._took(key, report),
        )
        return PipelineScaler(str(key), pipeline, world)

    def _took(self, key: PipelineKey, report: ScalingReport) -> None:
        backlog = 0
        for stage in report.stages:
            self._metrics.of_pipelines.decided(*key, stage)
            if stage.backlog is not None:
                backlog += stage.backlog.undelivered + stage.backlog.pending
        shown = self._shown.get(key, 0)
        if self._scalers.took(key, report) or abs(backlog - shown) > WORTHWHILE * max(shown, 1):
            self._shown[key] = backlog
            self.news(key)
