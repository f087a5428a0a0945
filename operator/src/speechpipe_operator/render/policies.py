"""NetworkPolicies: who may connect to which pods. What pods connect to is not restricted: models come from anywhere."""

from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import COMPONENT_LABEL, PIPELINE_LABEL, Object
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.exposure import WEBSOCKET
from speechpipe_operator.render.meta import made, selector
from speechpipe_operator.shards import REDIS, is_redis

HEALTH: Final = "health"
NAMESPACE_LABEL: Final = "kubernetes.io/metadata.name"


def network_policies(frame: Frame, component: Component) -> list[Object]:
    """The policy of a component's pods; none where the spec wants none."""
    if not frame.pipeline.spec.network_policies.enabled:
        return []
    ingress = _to_redis(frame) if is_redis(component.name) else _to_service(frame, component)
    return [
        made(
            frame,
            component.name,
            ("networking.k8s.io/v1", "NetworkPolicy"),
            frame.name(component.name),
            spec={
                "podSelector": {"matchLabels": selector(frame, component.name)},
                "policyTypes": ["Ingress"],
                "ingress": ingress,
            },
        )
    ]


def _to_redis(frame: Frame) -> list[Object]:
    clients = [component.name for component in frame.plan.components if not is_redis(component.name)]
    pods = {
        "matchLabels": {PIPELINE_LABEL: frame.plan.name},
        "matchExpressions": [{"key": COMPONENT_LABEL, "operator": "In", "values": sorted(clients)}],
    }
    operator = frame.pipeline.spec.network_policies.operator_namespace or frame.context.operator_namespace
    return [{"from": [{"podSelector": pods}, _namespace(operator)], "ports": _ports(REDIS)}]


def _to_service(frame: Frame, component: Component) -> list[Object]:
    # Metrics and probes hold nothing secret; Prometheus may run in any namespace.
    metrics: Object = {"from": [{"namespaceSelector": {}}], "ports": _ports(HEALTH)}
    if component.name != GATEWAY:
        return [metrics]
    allowed = frame.pipeline.spec.network_policies.gateway_from
    clients: Object = {"from": [_namespace(name) for name in allowed]} if allowed else {}
    return [clients | {"ports": _ports(WEBSOCKET)}, metrics]


def _ports(name: str) -> list[Object]:
    return [{"protocol": "TCP", "port": name}]


def _namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: name}}}
