"""Children that are no longer asked for go: by label, by owner, and never another object than the one that was seen."""

from collections.abc import Collection
from typing import Final

from speechpipe_operator.kube import Conflict, KindMissing, KubeApi, KubeError, NotFound
from speechpipe_operator.objects import PIPELINE_LABEL, Object, Ref
from speechpipe_operator.observed import ApplyProblem
from speechpipe_operator.reconcile import blame
from speechpipe_operator.reconcile.cache import ChildCache, key_of
from speechpipe_operator.reconcile.extract import Live, live
from speechpipe_operator.reconcile.ownership import Owner

ATTEMPTS: Final = 3

PRUNED: Final = frozenset(
    {
        "ConfigMap",
        "Deployment",
        "HTTPRoute",
        "HorizontalPodAutoscaler",
        "Ingress",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "PodMonitor",
        "ResourceClaimTemplate",
        "Service",
        "ServiceAccount",
        "StatefulSet",
    }
)
"""Never claims, which hold data, nor the Secret with the password of that data's server."""


async def prune(
    api: KubeApi, owner: Owner, wanted: Collection[Ref], cache: ChildCache
) -> tuple[tuple[Ref, ...], tuple[ApplyProblem, ...]]:
    """Delete what the pipeline owns and does not want; to be called only when everything wanted is there.

    Returns:
        What was deleted, and what could not be.
    """
    deleted: list[Ref] = []
    problems: list[ApplyProblem] = []
    unwanted = [known for child, known in sorted(cache.children(owner.key).items()) if child not in wanted]
    for known in (known for known in unwanted if _is_ours(known, owner)):
        try:
            if await _delete(api, owner, known, cache):
                deleted.append(known.ref)
        except KubeError as error:
            problems.append(blame.problem(known.ref, error))
    return tuple(deleted), tuple(problems)


def _is_ours(known: Live, owner: Owner) -> bool:
    return known.owner == owner.uid and known.ref.kind in PRUNED and not known.deleting


async def _delete(api: KubeApi, owner: Owner, known: Live, cache: ChildCache) -> bool:
    namespace, child = owner.key.namespace, known.ref
    if child.kind == "ResourceClaimTemplate" and await _claimed(api, owner, child.name):
        return False
    for _ in range(ATTEMPTS):
        try:
            await api.delete(child.kind, namespace, child.name, uid=known.uid, resource_version=known.resource_version)
        except Conflict:
            found = await api.find(child.kind, namespace, child.name)
            if found is None or found["metadata"]["uid"] != known.uid:
                break
            cache.observe("MODIFIED", found)
            known = live(found)
            if not _is_ours(known, owner) or key_of(found) != owner.key:
                return False
        except (NotFound, KindMissing):
            break
        else:
            cache.forget(owner.key, child, known.uid)
            return True
    cache.forget(owner.key, child, known.uid)
    return False


async def _claimed(api: KubeApi, owner: Owner, template: str) -> bool:
    """Whether any ReplicaSet, an old one too, makes pods whose claims come of that template."""
    labels = f"{PIPELINE_LABEL}={owner.key.name}"
    sets = await api.list("ReplicaSet", owner.key.namespace, labels, cached=False)
    return any(template in _templates(item) for item in sets)


def _templates(replica_set: Object) -> set[str]:
    claims = replica_set["spec"]["template"]["spec"].get("resourceClaims") or ()
    return {claim.get("resourceClaimTemplateName", "") for claim in claims}
