"""One reconcile of one pipeline, from what the resource says to what is seen: parse, plan, render, apply, prune."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from pydantic import ValidationError

from speechpipe_operator.components import Plan
from speechpipe_operator.kube import Capabilities, KubeApi, KubeError
from speechpipe_operator.objects import Object, Ref, checksum, child_name, ref
from speechpipe_operator.observed import ApplyProblem, ApplyReport, Observed, Occupancy
from speechpipe_operator.plan import make_plan
from speechpipe_operator.problems import problems, shown
from speechpipe_operator.reconcile import blame
from speechpipe_operator.reconcile.apply import apply_children
from speechpipe_operator.reconcile.cache import ChildCache, PipelineKey
from speechpipe_operator.reconcile.extract import component_of
from speechpipe_operator.reconcile.needs import look_up, needs
from speechpipe_operator.reconcile.ownership import Owner
from speechpipe_operator.reconcile.prune import prune
from speechpipe_operator.reconcile.secrets import PasswordRollout, Secrets
from speechpipe_operator.reconcile.shards import ShardRollout, existing_shards
from speechpipe_operator.render import Capabilities as Renderable
from speechpipe_operator.render import Context, Frame, RenderError, Rendering, TemplateError, attempt
from speechpipe_operator.render.secrets import PASSWORD_KEY, redis_auth, redis_auth_name
from speechpipe_operator.shards import Shards, is_redis, wanted_shards
from speechpipe_operator.spec import SpeechPipeline

SOON_SECONDS: Final = 10.0
"""What no event tells of (a Secret that is made at last, Redis that is ready) is looked for after this."""

ReplicasFor = Callable[[PipelineKey, str], int | None]
"""The number of replicas that a component's workload is created with, where the scaler knows one; None: the plan's."""


OccupancyOf = Callable[[PipelineKey], Occupancy | None]
"""What is on the Redis of a pipeline that are to go, where the scaler has looked."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What reconciles work with.

    Attributes:
        api: the cluster.
        cache: what is known of children; fed by watches.
        namespace: the operator's own, which may reach Redis.
        version: the operator's own, the tag of its images.
        capabilities: what the cluster can do, as found last.
        replicas: see ``ReplicasFor``.
        secrets: what is known of Secrets.
        passwords: how far each change of a password has come.
        shards: how far each change of the number of Redis has come.
        occupancy: see ``OccupancyOf``.
    """

    api: KubeApi
    cache: ChildCache
    namespace: str
    version: str
    capabilities: Callable[[], Capabilities]
    replicas: ReplicasFor
    secrets: Secrets = field(default_factory=Secrets)
    passwords: PasswordRollout = field(default_factory=PasswordRollout)
    shards: ShardRollout = field(default_factory=ShardRollout)
    occupancy: OccupancyOf = lambda _: None


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
    if "deletionTimestamp" in body["metadata"]:
        return ReconcileResult()
    try:
        pipeline = _parsed(body)
    except ValidationError as error:
        return ReconcileResult(invalid=tuple(_sentences(error)))
    uid = body["metadata"]["uid"]
    shards = shards_of(key, uid, pipeline, deps)
    plan = make_plan(pipeline, shards)
    if pipeline.spec.paused:
        return ReconcileResult(pipeline, plan, observed=deps.cache.observed(key))
    turn = _Turn(deps, Owner(key, uid), pipeline, plan)
    report, missing = await turn.run()
    if pipeline.spec.redis.managed is not None and not report.problems:
        deps.shards.applied(uid, shards)
    soon = bool(missing) or turn.waits or shards != wanted_shards(pipeline.spec)
    return ReconcileResult(
        pipeline,
        plan,
        report=report,
        observed=deps.cache.observed(key, missing),
        retry_after=SOON_SECONDS if soon else None,
    )


def shards_of(key: PipelineKey, uid: str, pipeline: SpeechPipeline, deps: Deps) -> Shards:
    """How many managed Redis the pipeline is to have now."""
    wanted = wanted_shards(pipeline.spec)
    if pipeline.spec.redis.managed is None:
        return wanted
    existing = existing_shards(deps.cache, key, uid)
    return deps.shards.decide(uid, wanted.running, existing, deps.cache.observed(key), deps.occupancy(key))


def _parsed(body: Object) -> SpeechPipeline:
    """Raises ``ValidationError``."""
    return SpeechPipeline.model_validate({name: body.get(name) for name in ("apiVersion", "kind", "metadata", "spec")})


def _sentences(error: ValidationError) -> list[str]:
    return [f"{shown(place)}: {what}" if place else what for place, what in problems(error, SpeechPipeline)]


class _Turn:
    """One reconcile, after the resource has been read."""

    def __init__(self, deps: Deps, owner: Owner, pipeline: SpeechPipeline, plan: Plan) -> None:
        self._deps, self._owner, self._pipeline, self._plan = deps, owner, pipeline, plan
        self.waits = False
        """Clients wait until Redis has its new password."""

    async def run(self) -> tuple[ApplyReport, tuple[str, ...]]:
        """What was done, and which Secrets are missing."""
        key, secret = self._owner.key, Ref("Secret", redis_auth_name(self._owner.key.name))
        context = self._context()
        missing: tuple[str, ...] = ()
        try:
            needed = await look_up(self._deps.api, self._deps.secrets, key, needs(self._pipeline, self._plan))
            missing, context = needed.missing, replace(context, secrets=needed.sums)
            if self._pipeline.spec.redis.managed is None:
                return await self._bring(context), missing
            facts = await self._deps.secrets.ensure(self._deps.api, self._wanted_secret(context))
        except KubeError as error:
            return ApplyReport(problems=(blame.problem(secret, error),)), missing
        if not self._owner.controls(facts.owners):
            heir = self._owner.was_namesakes(facts.owners)
            return ApplyReport(problems=(blame.name_conflict(secret, owned=bool(facts.owners), heir=heir),)), missing
        return await self._with_password(context, secret.name, facts.sums), missing

    def _context(self) -> Context:
        can = self._deps.capabilities()
        dra = can.claims.rpartition("/")[2] if can.claims else None
        return Context(
            namespace=self._owner.key.namespace,
            uid=self._owner.uid,
            operator_namespace=self._deps.namespace,
            version=self._deps.version,
            capabilities=Renderable(pod_monitor=can.pod_monitors, dra=dra),
        )

    def _wanted_secret(self, context: Context) -> Object:
        bare = redis_auth(Frame(self._pipeline, self._plan, context), "")
        del bare["stringData"]
        return self._owner.adopt(bare)

    async def _with_password(self, context: Context, secret: str, sums: Mapping[str, str]) -> ApplyReport:
        """Redis first: it knows the new password and the one before, its clients only one of them."""
        key, rollout = self._owner.key, self._deps.passwords
        accepted, used = checksum(dict(sums)), checksum(sums.get(PASSWORD_KEY))
        redis = [item for item in self._deps.cache.observed(key).workloads if is_redis(item.component)]
        given = rollout.for_clients(self._owner.uid, accepted, used, redis)
        self.waits = given != used
        clients = {**context.secrets, secret: given}
        report = await self._bring(
            replace(context, secrets={**context.secrets, secret: accepted}, secrets_of_clients=clients)
        )
        names = {child_name(key.name, item.name) for item in self._plan.components if is_redis(item.name)}
        if not any(problem.child.name in names for problem in report.problems):
            rollout.applied(self._owner.uid, accepted, given)
        return report

    async def _bring(self, context: Context) -> ApplyReport:
        rendering = attempt(self._pipeline, self._plan, context)
        deps, objects = self._deps, rendering.objects
        report = await apply_children(deps.api, self._owner, objects, deps.cache, self._replicas)
        report = replace(report, problems=report.problems + self._unrendered(rendering))
        if report.problems:
            return report
        pruned, failed = await prune(deps.api, self._owner, {ref(obj) for obj in objects}, deps.cache)
        return replace(report, pruned=pruned, problems=failed)

    def _unrendered(self, rendering: Rendering) -> tuple[ApplyProblem, ...]:
        return tuple(self._problem(error) for error in rendering.problems)

    def _problem(self, error: RenderError) -> ApplyProblem:
        kind = "StatefulSet" if is_redis(error.component) else "Deployment"
        child = Ref(kind, child_name(self._owner.key.name, error.component))
        reason: Literal["PodTemplateInvalid", "Invalid"] = "Invalid"
        if isinstance(error, TemplateError):
            reason = "PodTemplateInvalid"
        return ApplyProblem(child, reason, str(error), permanent=True)

    def _replicas(self, obj: Object) -> int:
        component = component_of(obj)
        number = self._deps.replicas(self._owner.key, component)
        return self._plan.component(component).replicas if number is None else number
