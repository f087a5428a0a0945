"""One reconcile of one pipeline, from what the resource says to what is seen: parse, plan, render, apply, prune."""

from collections.abc import Callable
from dataclasses import dataclass, field

from speechpipe_operator.components import Plan
from speechpipe_operator.kube import Capabilities, KubeApi
from speechpipe_operator.objects import Object
from speechpipe_operator.observed import ApplyReport, Observed
from speechpipe_operator.reconcile.cache import ChildCache, PipelineKey
from speechpipe_operator.spec import SpeechPipeline

ReplicasFor = Callable[[PipelineKey, str], int | None]
"""The number of replicas that a component's workload is created with, where the scaler knows one; None: the plan's."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What a reconcile works with.

    Attributes:
        api: the cluster.
        cache: what is known of children; fed by watches.
        namespace: the operator's own, which may reach Redis.
        version: the operator's own, the tag of its images.
        capabilities: what the cluster can do, as found last.
        replicas: see ``ReplicasFor``.
    """

    api: KubeApi
    cache: ChildCache
    namespace: str
    version: str
    capabilities: Callable[[], Capabilities]
    replicas: ReplicasFor


@dataclass(frozen=True, slots=True)
class ReconcileResult:
    """What came of it.

    Attributes:
        pipeline: the resource as types; None where it can't be read.
        plan: its components; None where it can't be read.
        invalid: what is wrong with the resource, as sentences; then nothing was done.
        report: what was written, and what could not be.
        observed: what is seen of the children.
        retry_after: seconds until it should be looked at again; None: when something happens, or at the resync.
    """

    pipeline: SpeechPipeline | None = None
    plan: Plan | None = None
    invalid: tuple[str, ...] = ()
    report: ApplyReport = field(default_factory=ApplyReport)
    observed: Observed = field(default_factory=Observed)
    retry_after: float | None = None


async def reconcile_pipeline(key: PipelineKey, body: Object, deps: Deps) -> ReconcileResult:
    """Bring the children of the pipeline ``body`` (the watched resource) to what it asks for.

    Problems of single children are in the report, and the others go on. What can't be read, is paused or is being
    deleted is left alone.
    """
    raise NotImplementedError
