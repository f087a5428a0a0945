"""Finds what went without an event.

kopf lists anew when a watch can't be taken up where it ended, and does not say what is missing since. So what is known
is compared with the API server's list of names: after such a new list, and from time to time.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

from speechpipe_common.logs import get_logger
from speechpipe_operator.kube import Forbidden, Kind, KindMissing, KubeApi, KubeError, NamespaceMissing
from speechpipe_operator.objects import PIPELINE_LABEL
from speechpipe_operator.reconcile import ChildCache
from speechpipe_operator.runtime.controller import Controller
from speechpipe_operator.spec import KIND

SETTLE_SECONDS: Final = 120.0
"""Longest wait for the first lists to arrive; a kind that may not be listed never arrives."""
STALE_SECONDS: Final = 5.0
"""What has not arrived although nothing else does either may have gone meanwhile: it is listed again."""
LOOK_SECONDS: Final = 0.1


class Sweeper:
    """Compares what is known with what is there.

    Args:
        api: reads.
        cache: children.
        controller: pipelines.
        namespaces: those of pipelines; empty: all.
    """

    def __init__(self, api: KubeApi, cache: ChildCache, controller: Controller, namespaces: tuple[str, ...]) -> None:
        self._api, self._cache, self._controller = api, cache, controller
        self._places: tuple[str | None, ...] = namespaces or (None,)
        self._log = get_logger(__name__)

    async def settle(self, kinds: Sequence[Kind]) -> None:
        """Wait until everything that is there now has been seen, so that nothing is taken for absent that is only not
        listed yet.
        """
        began = progress = time.monotonic()
        missing = await self._unseen(kinds)
        while missing and time.monotonic() - began < SETTLE_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            left = missing - self._seen()
            if len(left) < len(missing):
                progress = time.monotonic()
            elif time.monotonic() - progress > STALE_SECONDS:  # some may have gone meanwhile
                progress, left = time.monotonic(), await self._unseen(kinds)
            missing = left
        if missing:
            self._log.warning("lists_incomplete", count=len(missing), reason="not listed in time; going on without")

    async def sweep(self, kinds: Iterable[Kind]) -> int:
        """Forget what is gone and have its pipelines looked at; how many things that were."""
        lost = await self._sweep_pipelines()
        for kind in kinds:
            known = {uid: at for uid, at in self._cache.known().items() if at[1].kind == kind.name}
            there = await self._listed(kind) if known else None
            if there is None:
                continue
            for uid in known.keys() - there:
                key, child = known[uid]
                if self._cache.forget(key, child, uid):
                    lost += 1
                    self._controller.look(key)
        if lost:
            self._log.info("lost_events_found", count=lost)
        return lost

    async def _sweep_pipelines(self) -> int:
        known = {pipeline.uid: key for key, pipeline in self._controller.pipelines.items()}
        there = await self._listed(None) if known else None
        gone = known.keys() - there if there is not None else set()
        for uid in gone:
            current = self._controller.pipelines.get(known[uid])
            if current is not None and current.uid == uid:
                self._controller.lost(known[uid])
        return len(gone)

    def _seen(self) -> set[str]:
        return set(self._cache.known()) | {pipeline.uid for pipeline in self._controller.pipelines.values()}

    async def _unseen(self, kinds: Iterable[Kind]) -> set[str]:
        """UIDs of what is there and has not been seen."""
        there = await self._listed(None) or set()
        for kind in kinds:
            there |= await self._listed(kind) or set()
        return there - self._seen()

    async def _listed(self, kind: Kind | None) -> set[str] | None:
        """UIDs of all objects of a kind (None: the pipelines); None where they can't be listed."""
        name, labels = (kind.name, PIPELINE_LABEL) if kind else (KIND, "")
        found: set[str] = set()
        for place in self._places:
            try:
                async for metadata in self._api.metadata(name, place, labels):
                    found.add(metadata["uid"])
            except (Forbidden, KindMissing, NamespaceMissing):
                return None  # said by the checks of access
            except KubeError as error:
                self._log.warning("not_listed", kind=name, reason=str(error))
                return None
        return found
