"""The definition of SpeechPipelines, kept as new as the operator: Helm installs definitions once and never again."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final, Literal

from speechpipe_operator.crd import definition
from speechpipe_operator.kube import KubeApi, NotFound
from speechpipe_operator.objects import Object

KIND: Final = "CustomResourceDefinition"
SERVED_SECONDS: Final = 60.0
POLL_SECONDS: Final = 0.2

Applied = Literal["created", "changed", "unchanged"]


class NotServed(Exception):
    """The API server took the definition, but does not serve the resource; the message says why."""


async def apply_definition(api: KubeApi, wanted: Object | None = None, seconds: float = SERVED_SECONDS) -> Applied:
    """Apply the definition server-side, and wait until the resource is served.

    Whoever made it before (Helm, kubectl): the list of versions has one owner at a time, so that fields which the new
    definition no longer has are gone.

    Args:
        api: the cluster.
        wanted: another definition than this operator's own.
        seconds: how long to wait for the resource to be served.

    Raises:
        KubeError: the API server refuses, or does not answer.
        NotServed: it is not served in time.
    """
    wanted = wanted or definition()
    name = wanted["metadata"]["name"]
    before = await api.find(KIND, None, name)
    after = await api.apply(wanted)
    await _served(api, name, after, seconds)
    if before is None:
        return "created"
    return "unchanged" if _generation(before) == _generation(after) else "changed"


async def delete_definition(api: KubeApi) -> bool:
    """Delete the definition, and every SpeechPipeline with it; whether there was one.

    Raises:
        KubeError: the API server refuses, or does not answer.
    """
    name = definition()["metadata"]["name"]
    found = await api.find(KIND, None, name)
    if found is None:
        return False
    try:
        await api.delete(KIND, None, name, uid=found["metadata"]["uid"])
    except NotFound:
        return False
    return True


async def _served(api: KubeApi, name: str, found: Object, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not _is("Established", found):
        if time.monotonic() > deadline:
            raise NotServed(f"{name} is not served after {seconds:g} s: {_why(found)}")
        await asyncio.sleep(POLL_SECONDS)
        found = await api.get(KIND, None, name)


def _conditions(found: Object) -> list[Mapping[str, Any]]:
    # The list is null before the first condition.
    return found.get("status", {}).get("conditions") or []


def _is(kind: str, found: Object) -> bool:
    return any(item["type"] == kind and item["status"] == "True" for item in _conditions(found))


def _why(found: Object) -> str:
    wrong = [item.get("message", "") for item in _conditions(found) if item["status"] != "True"]
    return "; ".join(message for message in wrong if message) or "the API server does not say why"


def _generation(found: Object) -> object:
    return found["metadata"].get("generation")
