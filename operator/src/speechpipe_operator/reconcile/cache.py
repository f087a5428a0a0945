"""What is known of the children of every pipeline, kept small: made of watch events and of answers to our writes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from speechpipe_operator.objects import PIPELINE_LABEL, Object, Ref, ref
from speechpipe_operator.observed import ClaimState, Observed, PodState, WorkloadState
from speechpipe_operator.reconcile.contest import Contest
from speechpipe_operator.reconcile.extract import Live, claim_state, live, pod_state, workload_state

Event = Literal["ADDED", "MODIFIED", "DELETED"] | None
"""Of a watch; None: an object of the first listing, as kopf has it."""

State = Live | PodState | WorkloadState | ClaimState


class PipelineKey(NamedTuple):
    """A pipeline, wherever it is talked of."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


class Confirmed(NamedTuple):
    """The last time that a child was known to be right: what was wanted, and what the live object then said."""

    desired: str
    uid: str
    fingerprint: str
    replicas: int | None


@dataclass(slots=True)
class _Family:
    """The children of one pipeline."""

    live: dict[Ref, Live] = field(default_factory=dict)
    confirmed: dict[Ref, Confirmed] = field(default_factory=dict)
    workloads: dict[Ref, WorkloadState] = field(default_factory=dict)
    claims: dict[str, ClaimState] = field(default_factory=dict)
    pods: dict[str, PodState] = field(default_factory=dict)
    contest: Contest = field(default_factory=Contest)


class ChildCache:
    """Children of all pipelines by the label ``speechpipe.dev/pipeline``. For one event loop; nothing here waits.

    Feed it each watch event of the children's kinds and of pods, first listings included; a reconcile feeds it the
    answers to its own writes, which may come before their events. An event with an older version than what is known
    changes nothing; a listing always counts, since after a restore of etcd all versions are older.
    """

    def __init__(self) -> None:
        self._families: dict[PipelineKey, _Family] = {}

    def observe(self, event: Event, obj: Object) -> PipelineKey | None:
        """Take an object in; the key of its pipeline if that changed anything that matters, else None."""
        key = key_of(obj)
        if key is None:
            return None
        if event == "DELETED":
            return key if self.forget(key, ref(obj), obj["metadata"]["uid"]) else None
        family = self._families.setdefault(key, _Family())
        if event is not None and _is_old(family, obj):
            return None
        changed = _store_pod(family, obj) if obj["kind"] == "Pod" else _store_child(family, obj)
        return key if changed else None

    def forget(self, key: PipelineKey, child: Ref, uid: str) -> bool:
        """Drop a child that is gone; whether it was known by that UID."""
        family = self._families.get(key)
        if family is None:
            return False
        known = family.pods.get(child.name) if child.kind == "Pod" else family.live.get(child)
        if known is None or known.uid != uid:
            return False
        if child.kind == "Pod":
            del family.pods[child.name]
        else:
            del family.live[child]
            family.confirmed.pop(child, None)
            family.workloads.pop(child, None)
            family.claims.pop(child.name, None)
        if not (family.live or family.pods):
            del self._families[key]
        return True

    def drop(self, key: PipelineKey) -> None:
        """Forget a pipeline that is gone. Children that outlive it bring a remainder back, until they are gone too."""
        self._families.pop(key, None)

    def live(self, key: PipelineKey, child: Ref) -> Live | None:
        """What is known of a child."""
        family = self._families.get(key)
        return family.live.get(child) if family else None

    def children(self, key: PipelineKey) -> Mapping[Ref, Live]:
        """All that carries the pipeline's label, pods excepted, whoever owns it."""
        family = self._families.get(key)
        return dict(family.live) if family else {}

    def claims(self, key: PipelineKey) -> tuple[ClaimState, ...]:
        """All claims that carry the pipeline's label."""
        family = self._families.get(key)
        return tuple(family.claims.values()) if family else ()

    def claim(self, key: PipelineKey, name: str) -> ClaimState | None:
        """The claim of that name."""
        family = self._families.get(key)
        return family.claims.get(name) if family else None

    def confirmed(self, key: PipelineKey, child: Ref) -> Confirmed | None:
        """When the child was right for the last time."""
        family = self._families.get(key)
        return family.confirmed.get(child) if family else None

    def confirm(self, key: PipelineKey, child: Ref, state: Confirmed) -> None:
        """Remember that the child is right."""
        self._families.setdefault(key, _Family()).confirmed[child] = state

    def contest(self, key: PipelineKey) -> Contest:
        """The mends of a pipeline's children."""
        return self._families.setdefault(key, _Family()).contest

    def keys(self) -> Iterator[PipelineKey]:
        """Pipelines that anything is known of."""
        return iter(tuple(self._families))

    def known(self) -> dict[str, tuple[PipelineKey, Ref]]:
        """Everything, pods too, by UID."""
        found: dict[str, tuple[PipelineKey, Ref]] = {}
        for key, family in self._families.items():
            found |= {item.uid: (key, child) for child, item in family.live.items()}
            found |= {pod.uid: (key, Ref("Pod", pod.name)) for pod in family.pods.values()}
        return found

    def observed(self, key: PipelineKey, missing_secrets: tuple[str, ...] = ()) -> Observed:
        """All that is seen of a pipeline, in order of names. Pods count only where a workload of it owns them."""
        family = self._families.get(key, _Family())
        workloads = tuple(family.workloads[child] for child in sorted(family.workloads))
        pods = (family.pods[name] for name in sorted(family.pods))
        return Observed(
            workloads=workloads,
            pods=tuple(pod for pod in pods if any(_owns(workload, pod) for workload in workloads)),
            claims=tuple(family.claims[name] for name in sorted(family.claims)),
            missing_secrets=missing_secrets,
        )


def key_of(obj: Object) -> PipelineKey | None:
    """The pipeline that an object's label names."""
    metadata = obj["metadata"]
    name = (metadata.get("labels") or {}).get(PIPELINE_LABEL)
    return PipelineKey(metadata.get("namespace", ""), name) if name else None


def _owns(workload: WorkloadState, pod: PodState) -> bool:
    """A ReplicaSet is called after its Deployment, and a hash."""
    if workload.component != pod.component or pod.owner is None:
        return False
    return pod.owner == workload.name or pod.owner.rpartition("-")[0] == workload.name


def _store_pod(family: _Family, obj: Object) -> bool:
    known, found = family.pods.get(obj["metadata"]["name"]), pod_state(obj)
    family.pods[found.name] = found
    return known is None or not _same(known, found)


def _store_child(family: _Family, obj: Object) -> bool:
    child, found = ref(obj), live(obj)
    known = family.live.get(child)
    family.live[child] = found
    changed = known is None or not _same(known, found)
    if child.kind in ("Deployment", "StatefulSet"):
        before, after = family.workloads.get(child), workload_state(obj)
        family.workloads[child] = after
        changed = changed or before is None or not _same(before, after)
    if child.kind == "PersistentVolumeClaim":
        was, now = family.claims.get(child.name), claim_state(obj)
        family.claims[child.name] = now
        changed = changed or was is None or not _same(was, now)
    return changed


def _is_old(family: _Family, obj: Object) -> bool:
    """Whether more is known already. Versions are numbers that rise within a cluster (KEP-5504)."""
    metadata = obj["metadata"]
    known = family.pods.get(metadata["name"]) if obj["kind"] == "Pod" else family.live.get(ref(obj))
    if known is None or known.uid != metadata["uid"]:
        return False
    try:
        return int(metadata["resourceVersion"]) < int(known.resource_version)
    except ValueError:
        return False


def _same(one: State, other: State) -> bool:
    """Equal but for the version, which changes with things that nobody here looks at."""
    return _bare(one) == _bare(other)


def _bare(state: State) -> tuple[object, ...]:
    return tuple(getattr(state, name) for name in state.__slots__ if name != "resource_version")
