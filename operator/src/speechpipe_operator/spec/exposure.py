"""How clients outside the cluster reach the gateways, and who reaches the pods."""

from typing import Annotated, Final, Literal

from pydantic import Field

from speechpipe_operator.spec.base import LABEL, Different, DnsName, Port, Strict
from speechpipe_operator.spec.kubernetes import Annotations, Namespace
from speechpipe_operator.spec.rules import rule

HOST: Final = rf"^(\*\.)?{LABEL}(\.{LABEL})*$"
Host = Annotated[str, Field(max_length=253, pattern=HOST)]


class ServiceExposure(Strict):
    """The gateway's Service."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = Field(
        default="ClusterIP", description="ClusterIP: inside the cluster only; the others open it to the outside."
    )
    port: Port = Field(default=80, description="Port of the Service.")
    node_port: int | None = Field(
        default=None, ge=30_000, le=32_767, description="Port on every node; absent: any free one."
    )
    load_balancer_class: str | None = Field(
        default=None, min_length=1, max_length=317, description="Implementation of the load balancer."
    )
    annotations: Annotations = Field(default_factory=dict, description="Annotations of the Service.")

    @rule("self.type != 'ClusterIP' || !has(self.nodePort)", "nodePort needs type NodePort or LoadBalancer")
    def _node_port_is_served(self) -> bool:
        return self.type != "ClusterIP" or self.node_port is None

    @rule("self.type == 'LoadBalancer' || !has(self.loadBalancerClass)", "loadBalancerClass needs type LoadBalancer")
    def _class_has_a_load_balancer(self) -> bool:
        return self.type == "LoadBalancer" or self.load_balancer_class is None


class Ingress(Strict):
    """An Ingress in front of the gateways."""

    host: Host = Field(description="Host name that clients connect to.")
    class_name: DnsName | None = Field(default=None, description="IngressClass; absent: the cluster's default.")
    tls_secret_name: DnsName | None = Field(
        default=None, description="Secret with certificate and key; absent: no TLS."
    )
    annotations: Annotations = Field(
        default_factory=dict, description="Annotations, such as those that raise the controller's WebSocket timeouts."
    )


class ParentRef(Strict):
    """The Gateway that a route is attached to."""

    name: DnsName = Field(description="Name of the Gateway.")
    namespace: Namespace | None = Field(default=None, description="Its namespace; absent: the pipeline's.")
    section_name: DnsName | None = Field(default=None, description="One of its listeners; absent: all that allow it.")


class HttpRoute(Strict):
    """A route of the Gateway API."""

    parent_refs: Annotated[tuple[ParentRef, ...], Field(strict=False, min_length=1, max_length=8)] = Field(
        description="Gateways to attach to."
    )
    hostnames: Annotated[tuple[Host, ...], Field(strict=False, max_length=16), Different] = Field(
        default=(),
        description="Host names to serve; none: the listener's.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class NetworkPolicies(Strict):
    """Who may connect to the pods."""

    enabled: bool = Field(default=True, description="Whether to render NetworkPolicies.")
    gateway_from: Annotated[tuple[Namespace, ...], Field(strict=False, max_length=32), Different] = Field(
        default=(),
        description="Namespaces that may reach the gateways (of ingress controllers, say); none: everyone.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    operator_namespace: Namespace | None = Field(
        default=None, description="Namespace that may reach Redis to read the backlog; absent: the operator's own."
    )
