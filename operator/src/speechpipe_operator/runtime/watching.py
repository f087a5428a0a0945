"""Keeps kopf running with what there is to watch: kinds come and go, and kopf may fail."""

import asyncio
from collections.abc import Callable
from typing import Final

from speechpipe_common.logs import get_logger
from speechpipe_operator.handlers import Watched, WatchEvent, WatchThread
from speechpipe_operator.handlers.session import open_session
from speechpipe_operator.kube import KINDS, Call, Kind, kind_of
from speechpipe_operator.runtime.discovery import Cluster
from speechpipe_operator.runtime.health import Heart
from speechpipe_operator.runtime.metrics import OperatorMetrics

CHILDREN: Final = (
    "ConfigMap",
    "Service",
    "ServiceAccount",
    "PersistentVolumeClaim",
    "Pod",
    "Deployment",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "PodDisruptionBudget",
    "NetworkPolicy",
    "Ingress",
)
"""Kinds of children that every cluster has. Secrets are not watched: the operator may not list them."""

AGAIN_SECONDS: Final = 2.0
"""After kopf has failed."""


def watched(cluster: Cluster, namespaces: tuple[str, ...]) -> Watched | None:
    """What is to be watched on that cluster; None: nothing, since it does not know SpeechPipelines."""
    if not cluster.pipelines:
        return None
    found: list[Kind] = [KINDS[name] for name in CHILDREN]
    if cluster.capabilities.http_routes:
        found.append(KINDS["HTTPRoute"])
    if cluster.capabilities.pod_monitors:
        found.append(KINDS["PodMonitor"])
    if cluster.capabilities.claims:
        found.append(kind_of("ResourceClaimTemplate", cluster.capabilities.claims))
    return Watched(tuple(found), namespaces)


class Watching:
    """One run of kopf after the other.

    Args:
        sink: takes events, in the event loop of whoever made this.
        metrics: counts.
        heart: beats while kopf's loop moves.
        listed: told when something was listed: at first, and when a watch could not be taken up where it ended.
    """

    def __init__(
        self,
        sink: Callable[[WatchEvent], None],
        metrics: OperatorMetrics,
        heart: Heart,
        listed: Callable[[], None],
    ) -> None:
        self._sink, self._metrics, self._heart, self._listed = sink, metrics, heart, listed
        self._loop = asyncio.get_running_loop()
        self._wanted: Watched | None = None
        self._changed = asyncio.Event()
        self._log = get_logger(__name__)

    def want(self, wanted: Watched | None) -> None:
        """Watch this from now on; the same again changes nothing."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            self._changed.clear()
            if self._wanted is None:
                self._heart.beat()
                await self._wait_for_change(1.0)
            else:
                await self._watch(self._wanted)

    async def _watch(self, wanted: Watched) -> None:
        thread = WatchThread(
            wanted,
            sink=lambda event: self._hand_over(self._sink, event),
            login=lambda: open_session(self._count),
            on_retry=self._metrics.watch_retried,
            beat=self._heart.beat,
        )
        thread.start()
        self._log.info("watching", kinds=len(wanted.children) + 1, namespaces=list(wanted.namespaces) or "all")
        changed = asyncio.create_task(self._changed.wait())
        ended = asyncio.create_task(thread.wait())
        try:
            await asyncio.wait((changed, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()
            ended.cancel()
            await thread.stop()
        if thread.failure is not None:
            self._log.warning("watch_failed", reason=f"{type(thread.failure).__name__}: {thread.failure}")
            await self._wait_for_change(AGAIN_SECONDS)

    def _count(self, call: Call, status: int) -> None:
        self._metrics.request(call.verb, call.kind, status or "error")
        if call.verb == "list":
            self._hand_over(self._listed)

    def _hand_over(self, take: Callable[..., None], *values: object) -> None:
        """From kopf's thread to ours; what comes after the end of our loop is of no use."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(take, *values)

    async def _wait_for_change(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
