"""How clients reach the gateways: Service, Ingress, HTTPRoute; and how many there are: HorizontalPodAutoscaler."""

from typing import Final

from speechpipe_operator.components import Component
from speechpipe_operator.objects import Object
from speechpipe_operator.plan import GATEWAY
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.meta import made, present, selector
from speechpipe_operator.spec import GatewayAutoscaling, HttpRoute, Ingress, ServiceExposure

WEBSOCKET: Final = "ws"

CALM_SECONDS: Final = 300
"""Fewer gateways must have been enough for so long, and one goes a minute: each takes its sessions along."""


def gateway_service(frame: Frame, service: ServiceExposure) -> Object:
    """The Service that clients, an Ingress or a route connect to."""
    port = present(name=WEBSOCKET, port=service.port, targetPort=WEBSOCKET, protocol="TCP", nodePort=service.node_port)
    return made(
        frame,
        GATEWAY,
        ("v1", "Service"),
        frame.name(GATEWAY),
        annotations=dict(service.annotations),
        spec=present(
            type=service.type,
            selector=selector(frame, GATEWAY),
            ports=[port],
            loadBalancerClass=service.load_balancer_class,
        ),
    )


def ingress(frame: Frame, wanted: Ingress) -> Object:
    """The Ingress of one host."""
    backend = {"service": {"name": frame.name(GATEWAY), "port": {"name": WEBSOCKET}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    tls = [{"hosts": [wanted.host], "secretName": wanted.tls_secret_name}] if wanted.tls_secret_name else None
    return made(
        frame,
        GATEWAY,
        ("networking.k8s.io/v1", "Ingress"),
        frame.name(GATEWAY),
        annotations=dict(wanted.annotations),
        spec=present(
            ingressClassName=wanted.class_name, tls=tls, rules=[{"host": wanted.host, "http": {"paths": paths}}]
        ),
    )


def http_route(frame: Frame, wanted: HttpRoute, port: int) -> Object:
    """The HTTPRoute; where the cluster has no Gateway API, applying it says so."""
    parents = [
        present(
            group="gateway.networking.k8s.io",
            kind="Gateway",
            name=parent.name,
            namespace=parent.namespace,
            sectionName=parent.section_name,
        )
        for parent in wanted.parent_refs
    ]
    rule = {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"group": "", "kind": "Service", "name": frame.name(GATEWAY), "port": port, "weight": 1}],
    }
    return made(
        frame,
        GATEWAY,
        ("gateway.networking.k8s.io/v1", "HTTPRoute"),
        frame.name(GATEWAY),
        spec=present(parentRefs=parents, hostnames=list(wanted.hostnames) or None, rules=[rule]),
    )


def autoscaler(frame: Frame, component: Component) -> list[Object]:
    """The HorizontalPodAutoscaler of gateways that scale by CPU."""
    policy = component.pods.scaling.policy
    if not isinstance(policy, GatewayAutoscaling):
        return []
    utilization = {"type": "Utilization", "averageUtilization": policy.cpu_percent}
    slowly = {
        "stabilizationWindowSeconds": CALM_SECONDS,
        "selectPolicy": "Max",
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }
    return [
        made(
            frame,
            component.name,
            ("autoscaling/v2", "HorizontalPodAutoscaler"),
            frame.name(component.name),
            spec={
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": frame.name(component.name)},
                "minReplicas": policy.min_replicas,
                "maxReplicas": policy.max_replicas,
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": utilization}}],
                "behavior": {"scaleDown": slowly},
            },
        )
    ]
