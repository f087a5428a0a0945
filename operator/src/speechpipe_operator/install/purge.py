"""Everything that SpeechPipelines have left in a cluster goes: pipelines, what they own, volumes, the definition."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from speechpipe_operator.install.definition import delete_definition
from speechpipe_operator.kube import Conflict, KindMissing, KubeApi, NotFound
from speechpipe_operator.objects import PIPELINE_LABEL, Object

POLL_SECONDS: Final = 1.0
SAY_SECONDS: Final = 10.0

Say = Callable[[str], None]
"""Told what happens, a line each."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What goes. ``namespaces``: there; none: everywhere. ``definition``: it too, so that no pipeline can be left."""

    namespaces: tuple[str, ...] = ()
    definition: bool = False

    @property
    def places(self) -> tuple[str | None, ...]:
        """As ``KubeApi.list`` wants them."""
        return self.namespaces or (None,)


class PurgeStuck(Exception):
    """Something did not go in time; the message names it."""


async def purge(api: KubeApi, scope: Scope, say: Say, seconds: float = 300.0) -> None:
    """Delete the pipelines and wait for their pods to end, then delete their claims, then the definition.

    Claims come after pods, which hold them; they would otherwise wait with a finalizer for as long.

    Args:
        api: the cluster.
        scope: what goes.
        say: is told what happens.
        seconds: how long to wait for pods, and again for claims.

    Raises:
        KubeError: the API server refuses, or does not answer.
        PurgeStuck: not gone in time.
    """
    for pipeline in await _listed(api, "SpeechPipeline", scope):
        say(f"deleting SpeechPipeline {_shown(pipeline)}")
        await _delete(api, "SpeechPipeline", pipeline)
    await _until_gone("pod", lambda: _listed(api, "Pod", scope, PIPELINE_LABEL), say, seconds)
    for claim in await _listed(api, "PersistentVolumeClaim", scope, PIPELINE_LABEL):
        say(f"deleting PersistentVolumeClaim {_shown(claim)}")
        await _delete(api, "PersistentVolumeClaim", claim)
    await _until_gone("claim", lambda: _listed(api, "PersistentVolumeClaim", scope, PIPELINE_LABEL), say, seconds)
    if scope.definition and await delete_definition(api):
        say("deleted the definition of SpeechPipelines")


async def _listed(api: KubeApi, kind: str, scope: Scope, labels: str = "") -> list[Object]:
    found: list[Object] = []
    for namespace in scope.places:
        try:
            found += await api.list(kind, namespace, labels, cached=False)
        except KindMissing:  # the definition is gone already
            return []
    return found


async def _delete(api: KubeApi, kind: str, item: Object) -> None:
    metadata = item["metadata"]
    try:
        await api.delete(kind, metadata["namespace"], metadata["name"], uid=metadata["uid"])
    except (NotFound, Conflict):  # gone, or another one of that name
        return


async def _until_gone(what: str, look: Callable[[], Awaitable[list[Object]]], say: Say, seconds: float) -> None:
    deadline, said = time.monotonic() + seconds, 0.0
    while left := await look():
        now = time.monotonic()
        shown = ", ".join(sorted(_shown(item) for item in left)[:5]) + (", …" if len(left) > 5 else "")
        if now > deadline:
            raise PurgeStuck(f"{len(left)} {what}(s) still there after {seconds:g} s: {shown}")
        if now - said >= SAY_SECONDS:
            said = now
            say(f"waiting for {len(left)} {what}(s) to end: {shown}")
        await asyncio.sleep(POLL_SECONDS)


def _shown(item: Object) -> str:
    return f"{item['metadata']['namespace']}/{item['metadata']['name']}"
