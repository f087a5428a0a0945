"""Volumes grow and never shrink: what is wanted is compared with the claims that are there.

The templates of a StatefulSet's claims can't be changed (tried on 1.34), so growth patches the claims themselves, and
the StatefulSet is deleted without its pods and made anew around them.
"""

import re
from dataclasses import dataclass
from typing import Final

from speechpipe_operator.kube import Invalid, KubeApi
from speechpipe_operator.objects import Object, ref
from speechpipe_operator.observed import ApplyProblem, ClaimState
from speechpipe_operator.reconcile.cache import ChildCache, PipelineKey
from speechpipe_operator.reconcile.extract import Live, claim_state, controller
from speechpipe_operator.reconcile.quantity import amount, quantity

CLAIM: Final = "PersistentVolumeClaim"

ONLY_SOME_FIELDS: Final = "updates to statefulset spec for fields other than"
"""What the API server says of a StatefulSet's fields that can't be changed."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """An object whose volumes are no smaller than the real ones, and what was wrong with the wish."""

    obj: Object
    problem: ApplyProblem | None = None


async def fit(api: KubeApi, cache: ChildCache, key: PipelineKey, obj: Object) -> Fitted:
    """``obj`` with volumes at least as large as those that are there; claims of a StatefulSet grow here.

    Raises:
        KubeError: a claim can't be read, or be grown (the StorageClass must allow expansion).
    """
    if obj["kind"] == CLAIM:
        known = cache.claim(key, obj["metadata"]["name"])
        fitted = _never_smaller(obj, obj, [known] if known else [])
        if known is not None and not _can_grow(known):
            return Fitted(_resized(fitted.obj, quantity(known.requested_bytes)), fitted.problem)
        return fitted
    if obj["kind"] != "StatefulSet":
        return Fitted(obj)
    problem, templates = None, []
    for template in obj["spec"].get("volumeClaimTemplates") or ():
        claims = await _claims(api, cache, key, obj, template["metadata"]["name"])
        fitted = _never_smaller(obj, template, claims)
        problem = problem or fitted.problem
        templates.append(fitted.obj)
        for claim in claims:
            await _grow(api, key.namespace, claim, _requested(fitted.obj))
    if not templates:
        return Fitted(obj)
    return Fitted({**obj, "spec": {**obj["spec"], "volumeClaimTemplates": templates}}, problem)


async def release(api: KubeApi, wanted: Object, known: Live, error: Invalid) -> bool:
    """Delete a StatefulSet, but not its pods, where the claims that it makes are all that keeps it from being applied.

    Returns:
        Whether it goes; it is created anew when it is gone.

    Raises:
        KubeError: it can't be read or deleted.
    """
    if wanted["kind"] != "StatefulSet" or not error.fields:
        return False
    if not all(ONLY_SOME_FIELDS in message for _, message in error.fields):
        return False
    namespace, name = wanted["metadata"]["namespace"], known.ref.name
    found = await api.get("StatefulSet", namespace, name)
    if found["metadata"]["uid"] != known.uid or controller(found) != known.owner or _sizes(found) == _sizes(wanted):
        return False
    version = found["metadata"]["resourceVersion"]
    await api.delete("StatefulSet", namespace, name, uid=known.uid, resource_version=version, propagation="Orphan")
    return True


def _never_smaller(child: Object, template: Object, claims: list[ClaimState]) -> Fitted:
    """``template`` (a claim, or the template of one) with the size of the largest of ``claims``, if that is larger."""
    largest = max(claims, key=lambda claim: claim.requested_bytes, default=None)
    if largest is None or largest.requested_bytes <= _requested(template):
        return Fitted(template)
    real, asked = quantity(largest.requested_bytes), template["spec"]["resources"]["requests"]["storage"]
    what = f"volume {largest.name} has {real} and can't shrink to {asked}: ask for {real} or more; it stays as it is"
    return Fitted(_resized(template, real), ApplyProblem(ref(child), "StorageShrink", what, permanent=True))


async def _claims(api: KubeApi, cache: ChildCache, key: PipelineKey, obj: Object, template: str) -> list[ClaimState]:
    """The claims that the StatefulSet has made of a template. The cache may know none yet where the StatefulSet itself
    is not known, so the first ones are looked at then: they outlive it.
    """
    name = obj["metadata"]["name"]
    mine = re.compile(rf"{re.escape(template)}-{re.escape(name)}-[0-9]+")
    claims = [claim for claim in cache.claims(key) if mine.fullmatch(claim.name)]
    if claims or cache.live(key, ref(obj)) is not None:
        return claims
    names = (f"{template}-{name}-{ordinal}" for ordinal in range(obj["spec"].get("replicas", 1)))
    found = [await api.find(CLAIM, key.namespace, claim) for claim in names]
    return [claim_state(claim) for claim in found if claim is not None]


async def _grow(api: KubeApi, namespace: str, claim: ClaimState, wanted: int) -> None:
    if claim.requested_bytes >= wanted or not _can_grow(claim):
        return
    size = {"resources": {"requests": {"storage": quantity(wanted)}}}
    await api.patch(CLAIM, namespace, claim.name, {"metadata": {"uid": claim.uid}, "spec": size})


def _can_grow(claim: ClaimState) -> bool:
    """The API server lets only bound claims grow; the others do so when they are."""
    return claim.phase == "Bound"


def _requested(template: Object) -> int:
    return amount(template["spec"]["resources"]["requests"]["storage"])


def _resized(template: Object, size: str) -> Object:
    resources = template["spec"]["resources"]
    requests = {**resources["requests"], "storage": size}
    return {**template, "spec": {**template["spec"], "resources": {**resources, "requests": requests}}}


def _sizes(stateful_set: Object) -> dict[str, int]:
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    return {template["metadata"]["name"]: _requested(template) for template in templates}
