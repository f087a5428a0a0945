"""The autoscaler of one pipeline: a loop that reads the backlogs, decides for each stage, and acts."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from speechpipe_common.keys import Keys
from speechpipe_common.logs import get_logger
from speechpipe_operator.autoscaling.hands import ScaleApi
from speechpipe_operator.autoscaling.occupancy import occupancy
from speechpipe_operator.autoscaling.reading import Stage
from speechpipe_operator.autoscaling.redis_source import AddressOf, NoAddress, RedisSource, Shards
from speechpipe_operator.autoscaling.report import ScalingReport, StageReport
from speechpipe_operator.autoscaling.stage_scaler import StageScaler, View
from speechpipe_operator.autoscaling.stages import ScaledPipeline
from speechpipe_operator.autoscaling.types import Decision
from speechpipe_operator.autoscaling.upstream import sent_on
from speechpipe_operator.observed import Observed, Occupancy
from speechpipe_operator.plan import STT

JITTER: Final = 0.1
"""Share by which each pause is longer or shorter, so that a thousand pipelines do not tick together."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two ticks."""

    active: float = 2.0
    idle: float = 5.0
    unscaled: float = 15.0
    """Where all numbers are given and no worker needs an accelerator: the backlog is only shown."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the scaler is given of the world: how to see, how to act, whom to tell."""

    observe: Callable[[], Observed]
    """The pipeline's children, from the watches; called once for each tick."""
    redis: AddressOf
    api: ScaleApi
    report: Callable[[ScalingReport], None]
    """Called after each tick; for the status and the metrics."""


class PipelineScaler:
    """Scales one pipeline until its task is cancelled.

    Args:
        name: for the log.
        pipeline: what the spec says.
        world: see ``Surroundings``.
        pace: how often to look.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        name: str,
        pipeline: ScaledPipeline,
        world: Surroundings,
        pace: Pace | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._world = world
        self._pace = pace or Pace()
        self._clock = clock
        self._redis = RedisSource(world.redis)
        self._poked = asyncio.Event()
        self._said: dict[str, str] = {}
        self._moved = False
        """The jobs are elsewhere now: nothing that was read or measured counts any more."""
        self._pipeline = pipeline
        self._stages: dict[str, StageScaler] = {}
        self.update(pipeline)

    def update(self, pipeline: ScaledPipeline) -> None:
        """The spec has changed: what was measured stays, and the next tick comes at once."""
        if _home(pipeline) != _home(self._pipeline):
            self._moved = True
            self._stages.clear()
        self._pipeline = pipeline
        kept = self._stages
        self._stages = {}
        for stage in pipeline.stages:
            keys = Keys(pipeline.key_prefix)
            names = Stage.stt(keys) if stage.component == STT else Stage.translation(keys)
            scaler = kept.get(stage.component) or StageScaler(stage, names, keys, self._world.api, self._clock)
            scaler.stage = stage
            self._stages[stage.component] = scaler
        self.poke()

    def poke(self) -> None:
        """Something has changed: do not wait for the next tick's time."""
        self._poked.set()

    async def run(self) -> None:
        """Tick for ever. Whatever goes wrong in a tick is said, in the log and in the report, and tried again."""
        try:
            while True:
                self._poked.clear()
                report = await self._guarded()
                self._world.report(report)
                pause = self._pause(report) * random.uniform(1 - JITTER, 1 + JITTER)
                try:
                    async with asyncio.timeout(pause):
                        await self._poked.wait()
                except TimeoutError:
                    continue
        finally:
            await self._redis.close()

    async def tick(self) -> ScalingReport:
        """Look at all stages, then decide and act for each, in the order in which work flows."""
        if self._moved:
            self._moved = False
            await self._redis.close()
        shards, error = await self._shards()
        observed = self._world.observe()
        views = {name: await stage.look(shards, observed, error) for name, stage in self._stages.items()}
        reports: list[StageReport] = []
        before: tuple[StageScaler, Decision, View] | None = None
        for name, stage in self._stages.items():
            view = views[name]
            if view is None:
                before = None
                continue
            decision = stage.decide(view, self._upstream(before, view))
            reports.append(await stage.act(shards, view, decision))
            before = (stage, decision, view)
        if any(view is not None and view.error for view in views.values()):
            await self._redis.close()
        return ScalingReport(tuple(reports), await self._emptying(shards))

    async def _emptying(self, shards: Shards) -> Occupancy | None:
        pipeline = self._pipeline
        if pipeline.placing >= len(pipeline.shards) or len(shards) != len(pipeline.shards):
            return None
        return await occupancy(shards, pipeline.placing, Keys(pipeline.key_prefix), self._clock())

    async def _guarded(self) -> ScalingReport:
        try:
            report = await self.tick()
        except Exception as error:  # noqa: BLE001 - a mistake of ours must not end a pipeline's scaling: it is reported
            _log.exception("scaling_failed", pipeline=self._name)
            report = self._failed(f"{type(error).__name__}: {error}")
        self._tell(report)
        return report

    async def _shards(self) -> tuple[Shards, str]:
        try:
            return await self._redis.get(), ""
        except NoAddress as error:
            return [], str(error)

    def _upstream(self, before: tuple[StageScaler, Decision, View] | None, view: View) -> float:
        if before is None or view.backlog is None:
            return 0.0
        stage, decision, seen = before
        if seen.backlog is None or not decision.speed:
            return 0.0
        return sent_on(decision, seen.backlog, view.backlog, stage.stage.policy.drain_seconds, self._pipeline.fan_out)

    def _failed(self, error: str) -> ScalingReport:
        """The numbers as they are, with the reason why nothing is known."""
        observed, stages = self._world.observe(), []
        for name in self._stages:
            workload = observed.workload(name)
            if workload is not None:
                hold = Decision(workload.desired, "Hold", f"The number stays at {workload.desired}: {error}", False)
                stages.append(StageReport(name, hold, error=error))
        return ScalingReport(tuple(stages))

    def _tell(self, report: ScalingReport) -> None:
        for stage in report.stages:
            said = f"{stage.decision.reason} {stage.decision.replicas} {stage.error}"
            if self._said.get(stage.component) != said:
                self._said[stage.component] = said
                _log.info(
                    "scaling",
                    pipeline=self._name,
                    workers=stage.component,
                    replicas=stage.decision.replicas,
                    reason=stage.decision.reason,
                    detail=stage.decision.detail,
                    error=stage.error,
                )

    def _pause(self, report: ScalingReport) -> float:
        stages = self._stages.values()
        working = any(stage.acting for stage in stages) or any(_has_work(stage) for stage in report.stages)
        if working or report.emptying is not None:
            return self._pace.active
        return (
            self._pace.idle
            if any(stage.stage.mode == "auto" or stage.stage.scarce for stage in stages)
            else self._pace.unscaled
        )


def _home(pipeline: ScaledPipeline) -> tuple[object, ...]:
    """Where its jobs are."""
    return pipeline.redis, pipeline.key_prefix, pipeline.shards


def _has_work(stage: StageReport) -> bool:
    backlog = stage.backlog
    return backlog is not None and backlog.undelivered + backlog.pending + backlog.partials > 0
