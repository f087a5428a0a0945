"""What the spec says about scaling: the stages of a pipeline, in the order in which work flows. Pure."""

from dataclasses import dataclass
from typing import Final, Literal

from speechpipe_operator.autoscaling.types import Policy
from speechpipe_operator.components import Component, Plan
from speechpipe_operator.plan import STT, TRANSLATION
from speechpipe_operator.shards import is_redis, wanted_shards
from speechpipe_operator.spec import Autoscaling, ExternalRedis, Spec

Mode = Literal["auto", "fixed", "external", "paused"]

WORKERS: Final = (STT, TRANSLATION)
"""Components that take jobs from a stream; each is fed by the one before."""


@dataclass(frozen=True, slots=True)
class ScaledStage:
    """One stage and who decides how many workers it has."""

    component: str
    mode: Mode
    replicas: int
    """The spec's number (fixed), or the one to begin with."""
    policy: Policy
    """Of mode auto; else only its bounds have a meaning."""
    scarce: bool = False
    """Whether each worker takes accelerators, so that a rollout has no room for one more."""


@dataclass(frozen=True, slots=True)
class ScaledPipeline:
    """Everything that scaling a pipeline needs to know of its spec."""

    stages: tuple[ScaledStage, ...]
    key_prefix: str = ""
    redis: ExternalRedis | None = None
    """None: the pipeline's own."""
    shards: tuple[str, ...] = ()
    """Components of the pipeline's own."""
    placing: int = 0
    """How many of them, from the first, are to stay."""
    fan_out: int = 1
    """Translations of one final, until that has been measured."""


def scaled_pipeline(spec: Spec, plan: Plan) -> ScaledPipeline:
    """The stages that ``plan`` has."""
    stages = [_stage(component, spec) for component in plan.components if component.name in WORKERS]
    return ScaledPipeline(
        tuple(sorted(stages, key=lambda stage: WORKERS.index(stage.component))),
        spec.redis.key_prefix,
        spec.redis.external,
        tuple(component.name for component in plan.components if is_redis(component.name)),
        wanted_shards(spec).running,
        max(1, len(spec.languages.targets)),
    )


def _stage(component: Component, spec: Spec) -> ScaledStage:
    scaling = component.pods.scaling
    mode: Mode = "paused" if spec.paused else scaling.mode
    scarce = component.pods.gpu is not None
    if isinstance(scaling.policy, Autoscaling):
        return ScaledStage(component.name, mode, component.replicas, policy_of(scaling.policy), scarce)
    fixed = Policy(min_replicas=component.replicas, max_replicas=component.replicas)
    return ScaledStage(component.name, mode, component.replicas, fixed, scarce)


def policy_of(given: Autoscaling) -> Policy:
    """The policy in the units of the decision."""
    return Policy(
        min_replicas=given.min_replicas,
        max_replicas=given.max_replicas,
        drain_seconds=float(given.drain_seconds),
        utilization=given.utilization_percent / 100,
        prior_speed=given.speed_percent / 100,
        stabilization_seconds=float(given.stabilization_seconds),
        cooldown_seconds=float(given.cooldown_seconds),
        scale_down_percent=given.scale_down_percent,
    )
