"""Writes the status of a pipeline when it is worth a write, and events when a condition has changed."""

import time
from collections.abc import Callable
from typing import Any, Final

from speechpipe_common.logs import get_logger
from speechpipe_operator.kube import Conflict, KubeApi, KubeError, NotFound
from speechpipe_operator.runtime.lease import stamp
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_operator.runtime.notices import event_of, merge_patch
from speechpipe_operator.runtime.seen import Seen
from speechpipe_operator.status import transitions, worth_writing
from speechpipe_operator.status.pace import PACE_SECONDS

PLENTY: Final = 20
"""Events of one write; more than there are conditions."""


AGAIN_SECONDS: Final = 300.0
"""A condition that goes to and fro is announced once in this time: a Redis that answers slowly has that of a thousand
pipelines do so, and events are worth nothing where they are many."""


class Teller:
    """Says to the API how a pipeline is.

    Args:
        api: guarded by the lease.
        metrics: counts errors.
        reporter: name of this process.
        clock: monotonic seconds.
    """

    def __init__(
        self, api: KubeApi, metrics: OperatorMetrics, reporter: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api, self._metrics, self._reporter, self._clock = api, metrics, reporter, clock
        self._told: dict[str, float] = {}
        self._announced: dict[str, dict[tuple[str, str, str], float]] = {}
        self._log = get_logger(__name__)

    async def tell(self, pipeline: Seen, status: dict[str, Any]) -> tuple[Seen, float | None]:
        """Write ``status`` if that is worth it.

        Returns:
            The pipeline with the status that stands there now, and the seconds after which another look is worth it
            because a change was too small to be written at once.

        Raises:
            KubeError: the status could not be written, and the pipeline is still there.
        """
        before, now = pipeline.previous(), self._clock()
        told = self._told.get(pipeline.uid, now - PACE_SECONDS)
        if not worth_writing(before, status, told, now):
            waits = merge_patch(before, status) and now - told < PACE_SECONDS
            return pipeline, PACE_SECONDS - (now - told) if waits else None
        patch = {"metadata": {"uid": pipeline.uid}, "status": merge_patch(before, status)}
        namespace, name = pipeline.key
        try:
            answer = await self._api.patch("SpeechPipeline", namespace, name, patch, subresource="status")
        except (NotFound, Conflict):
            return pipeline, None  # deleted, or another one by now: its event is on the way
        self._told[pipeline.uid] = now
        await self._announce(pipeline, before, status)
        return pipeline.with_status(answer.get("status") or {}, int(answer["metadata"]["resourceVersion"])), None

    def forget(self, uid: str) -> None:
        """The pipeline is gone."""
        self._told.pop(uid, None)
        self._announced.pop(uid, None)

    async def _announce(self, pipeline: Seen, before: dict[str, Any], after: dict[str, Any]) -> None:
        announced, now = self._announced.setdefault(pipeline.uid, {}), self._clock()
        for condition in transitions(before, after)[:PLENTY]:
            what = (condition["type"], condition["status"], condition["reason"])
            if now - announced.get(what, -AGAIN_SECONDS) < AGAIN_SECONDS:
                continue
            announced[what] = now
            try:
                await self._api.create(event_of(pipeline, condition, self._reporter, stamp()))
            except KubeError as error:  # an event is a courtesy; the status says the same
                self._metrics.problem("EventNotWritten")
                self._log.warning("event_not_written", pipeline=str(pipeline.key), reason=str(error))
