"""The scalers of all pipelines: one task each, made and ended as pipelines come and go."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from speechpipe_operator.autoscaling.report import ScalingReport
from speechpipe_operator.autoscaling.scaler import PipelineScaler
from speechpipe_operator.autoscaling.stages import ScaledPipeline

K = TypeVar("K", bound=Hashable)


class Scalers(Generic[K]):
    """What the reconciler keeps: a scaler for each pipeline that is there, by its key.

    Args:
        make: a scaler for a new pipeline, which hands its reports to ``took``.
    """

    def __init__(self, make: Callable[[K, ScaledPipeline], PipelineScaler]) -> None:
        self._make = make
        self._scalers: dict[K, tuple[PipelineScaler, asyncio.Task[None]]] = {}
        self._specs: dict[K, ScaledPipeline] = {}
        self._reports: dict[K, ScalingReport] = {}

    def ensure(self, key: K, pipeline: ScaledPipeline) -> None:
        """Scale that pipeline so, from now on; cheap where nothing has changed."""
        if key not in self._scalers:
            scaler = self._make(key, pipeline)
            self._scalers[key] = scaler, asyncio.create_task(scaler.run(), name=f"scaler of {key}")
        elif self._specs[key] != pipeline:
            self._scalers[key][0].update(pipeline)
        self._specs[key] = pipeline

    def took(self, key: K, report: ScalingReport) -> bool:
        """A scaler has reported; whether anything but numbers is new (reasons, errors, trust)."""
        before = self._reports.get(key, ScalingReport())
        self._reports[key] = report
        return _gist(before) != _gist(report)

    def report(self, key: K) -> ScalingReport:
        """The newest report about that pipeline; empty before the first."""
        return self._reports.get(key, ScalingReport())

    def poke(self, key: K) -> None:
        """Something about that pipeline has changed: let its scaler look at once."""
        if key in self._scalers:
            self._scalers[key][0].poke()

    async def forget(self, key: K) -> None:
        """That pipeline is gone: its scaler ends."""
        self._specs.pop(key, None)
        self._reports.pop(key, None)
        _, task = self._scalers.pop(key, (None, None))
        if task is not None:
            await _ended(task)

    async def close(self) -> None:
        """End them all."""
        tasks = [task for _, task in self._scalers.values()]
        self._scalers.clear()
        await asyncio.gather(*(_ended(task) for task in tasks))


def _gist(report: ScalingReport) -> tuple[object, ...]:
    emptying = report.emptying
    return (emptying and (emptying.uses, emptying.error), *_gists(report))


def _gists(report: ScalingReport) -> list[tuple[object, ...]]:
    return [
        (
            stage.component,
            stage.decision.replicas,
            stage.decision.reason,
            stage.decision.valid,
            stage.error,
            stage.backlog is not None and stage.backlog.trusted,
        )
        for stage in report.stages
    ]


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait({task})
