"""Children brought to what they should be, by server-side apply: created, mended, never seized."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Final

from speechpipe_operator.kube import (
    ABSENT,
    Conflict,
    Invalid,
    KubeApi,
    KubeError,
    NotFound,
    Workload,
    apply_scale,
    get_scale,
)
from speechpipe_operator.objects import Object, Ref, checksum, ref
from speechpipe_operator.observed import ApplyProblem, ApplyReport
from speechpipe_operator.reconcile import blame
from speechpipe_operator.reconcile.cache import ChildCache, Confirmed
from speechpipe_operator.reconcile.extract import Live, live
from speechpipe_operator.reconcile.ownership import Owner
from speechpipe_operator.reconcile.storage import fit, release

ATTEMPTS: Final = 3
"""Looks at a child that changes under our hands; then the next reconcile goes on."""

SCALED: Final = ("Deployment", "StatefulSet")

WAVES: Final = (
    {"ServiceAccount", "ConfigMap", "Service", "NetworkPolicy", "PodDisruptionBudget", "PersistentVolumeClaim"}
    | {"ResourceClaimTemplate"},
    {"StatefulSet", "Deployment"},
)
"""What pods refer to comes before them; all other kinds come after. Kinds of a wave are applied side by side."""

STOPPING: Final = ("NamespaceMissing", "Unavailable")
"""Problems that all later children would have as well."""

ReplicasOf = Callable[[Object], int]
"""How many replicas a workload that is rendered without a number is created with."""


async def apply_children(
    api: KubeApi, owner: Owner, objects: Iterable[Object], cache: ChildCache, replicas: ReplicasOf
) -> ApplyReport:
    """Apply what differs from what was confirmed last. A child's problem keeps no other child from being applied,
    except where it is the namespace's or the server's.
    """
    waves: list[list[Object]] = [[], [], []]
    for obj in objects:
        waves[next((place for place, kinds in enumerate(WAVES) if obj["kind"] in kinds), 2)].append(obj)
    applier = _Applier(api, owner, cache, replicas)
    report = ApplyReport()
    for wave in waves:
        outcomes = await asyncio.gather(*(applier.ensure(obj) for obj in wave))
        found = tuple(problem for _, problems in outcomes for problem in problems)
        written = tuple(ref(obj) for obj, (wrote, _) in zip(wave, outcomes, strict=True) if wrote)
        report = ApplyReport(report.applied + written, (), report.problems + found)
        if any(problem.reason in STOPPING for problem in found):
            break
    return report


class _Refused(Exception):
    """Carries a problem that is no failed call."""

    def __init__(self, problem: ApplyProblem) -> None:
        self.problem = problem


class _Applier:
    """Applies children of one pipeline."""

    def __init__(self, api: KubeApi, owner: Owner, cache: ChildCache, replicas: ReplicasOf) -> None:
        self._api = api
        self._owner = owner
        self._cache = cache
        self._replicas = replicas

    async def ensure(self, obj: Object) -> tuple[bool, tuple[ApplyProblem, ...]]:
        """Whether it was written, and what is wrong."""
        wanted, child = self._owner.adopt(obj), ref(obj)
        shrinks: tuple[ApplyProblem, ...] = ()
        try:
            fitted = await fit(self._api, self._cache, self._owner.key, wanted)
            shrinks = (fitted.problem,) if fitted.problem else ()
            return await self._bring(fitted.obj, child), shrinks
        except _Refused as refused:
            return False, (*shrinks, refused.problem)
        except KubeError as error:
            return False, (*shrinks, blame.problem(child, error))

    async def _bring(self, wanted: Object, child: Ref) -> bool:
        known, digest = self._cache.live(self._owner.key, child), checksum(wanted)
        for _ in range(ATTEMPTS):
            try:
                if known is None:
                    return await self._create(wanted, digest)
                if known.owner != self._owner.uid:
                    known = await self._look_again(known)
                elif known.deleting or self._is_right(known, digest, wanted):
                    return False  # the end of its deletion is an event, which brings us back
                else:
                    return await self._update(wanted, known, digest)
            except (Conflict, NotFound):
                known = await self._look(child, known)
        raise _Refused(
            ApplyProblem(child, "Unavailable", f"{child} keeps changing; it is tried again", permanent=False)
        )

    async def _create(self, wanted: Object, digest: str) -> bool:
        if _is_scaled(wanted):
            made = await self._create_scaled(wanted)
        else:
            made = await self._api.apply(_demanding(wanted, resourceVersion=ABSENT))
        self._cache.observe("ADDED", made)
        self._confirm(live(made), digest, wanted)
        return True

    async def _create_scaled(self, wanted: Object) -> Object:
        """With a number of replicas, which ``SCALE_MANAGER`` takes over before we let go of it."""
        number = self._replicas(wanted)
        numbered = {**wanted, "spec": {**wanted["spec"], "replicas": number}}
        made = await self._api.apply(_demanding(numbered, resourceVersion=ABSENT))
        namespace, name, uid = self._owner.key.namespace, made["metadata"]["name"], made["metadata"]["uid"]
        await apply_scale(self._api, namespace, name, number, uid=uid, kind=made["kind"])
        return await self._api.apply(_demanding(wanted, uid=uid))

    async def _update(self, wanted: Object, known: Live, digest: str) -> bool:
        contest, now = self._cache.contest(self._owner.key), time.monotonic()
        mends = self._was_right(known, digest)
        if mends and (wait := contest.wait(known.ref, now)):
            raise _Refused(blame.contested(known.ref, wait))
        if _is_scaled(wanted) and not known.keeps_replicas:
            await self._take_scale(known)
        try:
            found = await self._api.apply(_demanding(wanted, uid=known.uid))
        except Invalid as error:
            if await release(self._api, wanted, known, error):
                return True
            raise
        self._cache.observe("MODIFIED", found)
        self._confirm(live(found), digest, wanted)
        if mends:
            contest.mended(known.ref, now)
        return bool(found["metadata"]["resourceVersion"] != known.resource_version)

    async def _take_scale(self, known: Live) -> None:
        """Let the number as it is be owned by ``SCALE_MANAGER``, lest our next apply without it makes it 1."""
        namespace = self._owner.key.namespace
        kind: Workload = "StatefulSet" if known.ref.kind == "StatefulSet" else "Deployment"
        scale = await get_scale(self._api, namespace, known.ref.name, kind)
        version = scale.resource_version
        await apply_scale(
            self._api, namespace, known.ref.name, scale.replicas, uid=known.uid, resource_version=version, kind=kind
        )

    async def _look(self, child: Ref, known: Live | None) -> Live | None:
        """The child as it is now."""
        found = await self._api.find(child.kind, self._owner.key.namespace, child.name)
        if found is None:
            if known is not None:
                self._cache.forget(self._owner.key, child, known.uid)
            return None
        self._cache.observe("MODIFIED", found)
        return live(found)

    async def _look_again(self, known: Live) -> Live | None:
        """The child as it is now, since what is known of it is not ours.

        Raises:
            _Refused: it is not ours indeed.
        """
        found = await self._api.find(known.ref.kind, self._owner.key.namespace, known.ref.name)
        if found is None:
            self._cache.forget(self._owner.key, known.ref, known.uid)
            return None
        self._cache.observe("MODIFIED", found)
        owners = found["metadata"].get("ownerReferences") or ()
        if not self._owner.controls(owners):
            heir = self._owner.was_namesakes(owners)
            raise _Refused(blame.name_conflict(known.ref, owned=bool(owners), heir=heir))
        return live(found)

    def _is_right(self, known: Live, digest: str, wanted: Object) -> bool:
        return self._cache.confirmed(self._owner.key, known.ref) == _state(known, digest, wanted)

    def _was_right(self, known: Live, digest: str) -> bool:
        """Whether this very child was as it should be, so that somebody has changed it since."""
        before = self._cache.confirmed(self._owner.key, known.ref)
        return before is not None and (before.desired, before.uid) == (digest, known.uid)

    def _confirm(self, found: Live, digest: str, wanted: Object) -> None:
        self._cache.confirm(self._owner.key, found.ref, _state(found, digest, wanted))


def _state(found: Live, digest: str, wanted: Object) -> Confirmed:
    replicas = None if _is_scaled(wanted) else found.replicas
    return Confirmed(digest, found.uid, found.fingerprint, replicas)


def _is_scaled(obj: Object) -> bool:
    """Whether somebody else decides on the number of replicas."""
    return obj["kind"] in SCALED and "replicas" not in obj["spec"]


def _demanding(obj: Object, **conditions: str) -> Object:
    return {**obj, "metadata": {**obj["metadata"], **conditions}}
