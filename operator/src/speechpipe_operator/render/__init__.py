"""From a plan to the objects of a cluster. Pure: values in, values out, always the same for the same."""

from dataclasses import dataclass

from speechpipe_operator.components import Component, Plan
from speechpipe_operator.objects import Object
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.render.accelerators import claim_templates
from speechpipe_operator.render.context import Capabilities, Context, Frame
from speechpipe_operator.render.errors import RenderError, TemplateError
from speechpipe_operator.render.exposure import autoscaler, gateway_service, http_route, ingress
from speechpipe_operator.render.policies import network_policies
from speechpipe_operator.render.redis import redis_config_map, redis_service, redis_stateful_set
from speechpipe_operator.render.shared import pod_monitors, service_account
from speechpipe_operator.render.workloads import deployment, disruption_budget, model_claims, with_replicas
from speechpipe_operator.shards import is_redis
from speechpipe_operator.spec import SpeechPipeline

__all__ = [
    "Capabilities",
    "Context",
    "Frame",
    "RenderError",
    "Rendering",
    "TemplateError",
    "attempt",
    "render",
    "with_replicas",
]


@dataclass(frozen=True, slots=True)
class Rendering:
    """What could be rendered, and why the rest could not: a component is there whole or not at all."""

    objects: tuple[Object, ...]
    """In the order to apply them: what pods refer to comes before them, Redis before its clients."""
    problems: tuple[RenderError, ...] = ()
    """One for each component that is missing; nothing may be pruned then."""


def render(pipeline: SpeechPipeline, plan: Plan, context: Context) -> list[Object]:
    """All objects of a pipeline, in the order to apply them.

    The Secret with the password of Redis is not among them: see ``render.secrets``.

    Raises:
        RenderError: the first problem of ``attempt``.
    """
    rendering = attempt(pipeline, plan, context)
    for problem in rendering.problems:
        raise problem
    return list(rendering.objects)


def attempt(pipeline: SpeechPipeline, plan: Plan, context: Context) -> Rendering:
    """The same, with the components that are possible where one is not."""
    frame = Frame(pipeline, plan, context)
    objects = [service_account(frame)]
    problems = []
    for component in plan.components:
        try:
            objects += _component(frame, component)
        except RenderError as problem:
            problems.append(problem)
    return Rendering((*objects, *pod_monitors(frame)), tuple(problems))


def _component(frame: Frame, component: Component) -> list[Object]:
    policies = network_policies(frame, component)
    managed = frame.pipeline.spec.redis.managed
    if managed is not None and is_redis(component.name):
        stateful_set = redis_stateful_set(frame, component, managed)
        return [*policies, redis_config_map(frame, component), redis_service(frame, component), stateful_set]
    gateway = _exposure(frame) if component.name == GATEWAY else []
    return [
        *policies,
        disruption_budget(frame, component),
        *model_claims(frame, component),
        *claim_templates(frame, component),
        deployment(frame, component),
        *autoscaler(frame, component),
        *gateway,
    ]


def _exposure(frame: Frame) -> list[Object]:
    gateway = frame.pipeline.spec.gateway
    objects = [gateway_service(frame, gateway.service)]
    if gateway.ingress is not None:
        objects.append(ingress(frame, gateway.ingress))
    if gateway.http_route is not None:
        objects.append(http_route(frame, gateway.http_route, gateway.service.port))
    return objects
