"""Looks from time to time at what the cluster serves and allows, and says what is missing: once in the log, for as long
as it lasts in ``/ready``.
"""

import asyncio
from typing import Final

from speechpipe_common.logs import get_logger
from speechpipe_operator.kube import Capabilities, KubeApi, KubeError
from speechpipe_operator.runtime.access import Question, denied, questions, sentences
from speechpipe_operator.runtime.discovery import MISSING_CRD, Cluster, Steady, look
from speechpipe_operator.runtime.health import Wellness
from speechpipe_operator.runtime.metrics import OperatorMetrics
from speechpipe_operator.runtime.settings import OperatorSettings

HURRY_SECONDS: Final = 5.0
"""While something is missing it is looked for so often: somebody is probably at it."""

ALL_AGAIN: Final = 10
"""Every so many looks all permissions are asked for again; else only those that were missing."""


class Checks:
    """What the cluster serves and allows.

    Args:
        api: not guarded; asking writes nothing.
        settings: namespaces, and how often to look.
        wellness: gets the sentences.
        metrics: gets their number.
    """

    def __init__(self, api: KubeApi, settings: OperatorSettings, wellness: Wellness, metrics: OperatorMetrics) -> None:
        self._api, self._settings, self._wellness, self._metrics = api, settings, wellness, metrics
        self._missing: tuple[Question, ...] = ()
        self._looks = 0
        self._steady = Steady()
        self.cluster = Cluster(False, Capabilities())
        self._log = get_logger(__name__)

    def capabilities(self) -> Capabilities:
        """What the cluster can do, as found last."""
        return self.cluster.capabilities

    async def look(self) -> bool:
        """Look once; whether anything has changed since the last look."""
        before = self.cluster, self._missing
        try:
            self.cluster = self._steady.take(await look(self._api))
            asked = questions(self._settings.namespaces, self._settings.operator_namespace, self.cluster.absent_groups)
            every = self._looks % ALL_AGAIN == 0
            self._missing = await denied(self._api, asked if every else set(asked) & set(self._missing))
        except KubeError as error:
            self._say((*((MISSING_CRD,) if self._looks and not self.cluster.pipelines else ()), str(error)))
            if not self._looks:
                self._wellness.not_ready = str(error)
            return False
        self._looks += 1
        self._wellness.not_ready = None
        self._say((() if self.cluster.pipelines else (MISSING_CRD,)) + sentences(self._missing, asked))
        return before != (self.cluster, self._missing)

    async def wait(self) -> None:
        """Until it is time for the next look."""
        hurry = bool(self._wellness.missing) or self._wellness.not_ready is not None or self._steady.doubtful
        seconds = self._settings.check_seconds
        await asyncio.sleep(min(HURRY_SECONDS, seconds) if hurry else seconds)

    def _say(self, missing: tuple[str, ...]) -> None:
        before = self._wellness.missing
        for sentence in missing:
            if sentence not in before:
                self._log.warning("missing", reason=sentence)
        for sentence in before:
            if sentence not in missing:
                self._log.info("no_longer_missing", reason=sentence)
        self._wellness.missing = missing
        self._metrics.missing_access(len(missing))
