"""What runs while this process holds the lease."""

import asyncio
from importlib.metadata import version
from typing import Final

from speechpipe_common.logs import get_logger
from speechpipe_operator.handlers import WatchEvent
from speechpipe_operator.kube import KubeApi
from speechpipe_operator.reconcile import ChildCache, Deps, PipelineKey
from speechpipe_operator.reconcile.secrets import Secrets
from speechpipe_operator.runtime.checks import Checks
from speechpipe_operator.runtime.controller import Controller
from speechpipe_operator.runtime.health import Heart, Wellness
from speechpipe_operator.runtime.lease import LeaseKeeper, NotActiveError
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_operator.runtime.queue import WorkQueue
from speechpipe_operator.runtime.rolling import RollGate
from speechpipe_operator.runtime.scalers import NoScaling, PipelineScaling, Scaling
from speechpipe_operator.runtime.settings import OperatorSettings
from speechpipe_operator.runtime.sweep import Sweeper
from speechpipe_operator.runtime.teller import Teller
from speechpipe_operator.runtime.watching import Watching, watched

END_SECONDS: Final = 5.0

LISTED_SECONDS: Final = 3.0
"""After something was listed anew, the sweep for what is missing since waits so long for the rest of the list."""


class Active:
    """The watches, the queue, the checks and the sweeps of the active operator.

    Args:
        settings: from the environment.
        identity: of this process.
        api: guarded by the lease.
        checks: what the cluster serves and allows.
        wellness: what health shows.
        metrics: counts.
    """

    def __init__(
        self,
        settings: OperatorSettings,
        identity: str,
        api: KubeApi,
        checks: Checks,
        wellness: Wellness,
        metrics: OperatorMetrics,
    ) -> None:
        self._settings, self._checks = settings, checks
        cache = ChildCache()
        scaling = PipelineScaling(api, cache, metrics)
        self._scalers: Scaling = scaling if settings.redis_polling else NoScaling()
        self._queue: WorkQueue[PipelineKey] = WorkQueue(
            self._handle, parallel=settings.workers, resync=settings.resync_seconds, metrics=metrics.queue
        )
        deps = Deps(
            api=api,
            cache=cache,
            namespace=settings.operator_namespace,
            version=version("speechpipe-operator"),
            capabilities=checks.capabilities,
            replicas=self._scalers.replicas,
            occupancy=self._scalers.occupancy,
            secrets=Secrets(resync=settings.resync_seconds),
        )
        teller, gate = Teller(api, metrics, identity), RollGate(settings.max_rolling)
        self._controller = Controller(deps, self._scalers, teller, gate, metrics, self._queue.add, self._queue.forget)
        scaling.news = self._controller.scaled
        self._sweeper = Sweeper(api, cache, self._controller, settings.namespaces)
        self._watch_heart = Heart("the loop of the watches", settings.stall_seconds)
        self._queue_heart = Heart("a reconcile", settings.stall_seconds)
        wellness.hearts = (*wellness.hearts, self._watch_heart, self._queue_heart)
        self._watching = Watching(self._take, metrics, self._watch_heart, self._saw_list)
        self._listed = asyncio.Event()
        self._settled = False
        self._tasks: list[asyncio.Task[None]] = []
        self._log = get_logger(__name__)

    async def run(self, keeper: LeaseKeeper) -> None:
        """Work until cancelled.

        Raises:
            NotActiveError: the lease is lost.
        """
        self._tasks = tasks = [
            asyncio.create_task(work, name=name)
            for name, work in {
                "lease": keeper.keep(),
                "watches": self._watching.run(),
                "checks": self._check(),
                "queue": self._work(),
                "sweeps": self._sweep(),
                "heart": self._beat(),
            }.items()
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        if lost := next((task for task in done if isinstance(task.exception(), NotActiveError)), None):
            await lost  # without waiting for the others: the process ends at once
        await next(iter(done))

    async def close(self) -> None:
        """Wait until all has ended, with a bound; nothing is lost by what does not end."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=END_SECONDS)
        try:
            async with asyncio.timeout(END_SECONDS):
                await self._scalers.close()
        except TimeoutError:
            self._log.warning("scalers_did_not_end")

    async def _handle(self, key: PipelineKey) -> float | None:
        async with asyncio.timeout(self._settings.stall_seconds / 2):
            return await self._controller.handle(key)

    def _take(self, event: WatchEvent) -> None:
        try:
            self._controller.take(event)
        except Exception:  # noqa: BLE001 - one strange object must not end the watches
            self._log.exception("event_not_understood", kind=event.kind, name=event.object["metadata"].get("name"))

    def _saw_list(self) -> None:
        if self._settled:
            self._listed.set()

    async def _check(self) -> None:
        while True:
            changed = await self._checks.look()
            self._watching.want(watched(self._checks.cluster, self._settings.namespaces))
            if changed and self._settled:
                for key in tuple(self._controller.pipelines):
                    self._controller.look(key)
            await self._checks.wait()

    async def _work(self) -> None:
        """Reconcile, but not before all that is there has been seen."""
        while (wanted := watched(self._checks.cluster, self._settings.namespaces)) is None:  # noqa: ASYNC110 - the checks poll
            await asyncio.sleep(1.0)
        await self._sweeper.settle(wanted.children)
        self._settled = True
        self._log.info("active", pipelines=len(self._controller.pipelines))
        await self._queue.run()

    async def _sweep(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.resync_seconds):
                    await self._listed.wait()
                await asyncio.sleep(LISTED_SECONDS)
            except TimeoutError:
                pass
            self._listed.clear()
            wanted = watched(self._checks.cluster, self._settings.namespaces)
            if wanted is not None and self._settled:
                await self._sweeper.sweep(wanted.children)

    async def _beat(self) -> None:
        while True:
            if self._queue.longest_work() < self._settings.stall_seconds:
                self._queue_heart.beat()
            await asyncio.sleep(1.0)
