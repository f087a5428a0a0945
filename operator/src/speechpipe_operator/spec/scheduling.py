"""Where pods may run and what they get: shared by every component that becomes pods."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from speechpipe_operator.spec.base import Different, DnsName, Quantity, Strict
from speechpipe_operator.spec.kubernetes import Amounts, Labels, ResourceName, amount_of
from speechpipe_operator.spec.rules import Cel, rule

ImageReference = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
Expression = Annotated[str, Field(min_length=1, max_length=10_240)]
Address = Annotated[str, Field(max_length=512)]


class Resources(Strict):
    """Compute resources of the component's main container."""

    requests: Amounts = Field(default_factory=dict, description="What the scheduler sets aside, such as cpu: 500m.")
    limits: Amounts = Field(default_factory=dict, description="What the container may not exceed, such as memory: 4Gi.")

    @rule(
        "!has(self.requests) || !has(self.limits) || self.requests.all(k, !(k in self.limits) || "
        "quantity(string(self.requests[k])).compareTo(quantity(string(self.limits[k]))) <= 0)",
        "a request must not be more than the limit of the same resource",
    )
    def _requests_are_within_limits(self) -> bool:
        return all(
            amount_of(amount) <= amount_of(self.limits[name])
            for name, amount in self.requests.items()
            if name in self.limits
        )


class Toleration(Strict):
    """Lets pods run on nodes with a matching taint."""

    key: str | None = Field(
        default=None, min_length=1, max_length=317, description="Key of the taint; absent with Exists: all taints."
    )
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="Equal compares value; Exists does not.")
    value: str | None = Field(default=None, max_length=63, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; absent: any."
    )

    @rule("self.operator != 'Equal' || has(self.key)", "operator Equal needs a key")
    def _equal_has_a_key(self) -> bool:
        return self.operator != "Equal" or self.key is not None

    @rule("self.operator != 'Exists' || !has(self.value)", "operator Exists takes no value")
    def _exists_has_no_value(self) -> bool:
        return self.operator != "Exists" or self.value is None


class DeviceClaim(Strict):
    """GPUs by dynamic resource allocation instead of an extended resource."""

    device_class_name: DnsName = Field(description="DeviceClass that the driver provides, such as gpu.nvidia.com.")
    selectors: Annotated[tuple[Expression, ...], Field(strict=False, max_length=16)] = Field(
        default=(), description="CEL expressions that a device must fulfil, such as device.attributes[...]... == ...."
    )


class Gpu(Strict):
    """The accelerators of one worker, and the nodes that have them."""

    resource_name: ResourceName = Field(
        default="nvidia.com/gpu",
        description="Extended resource to ask for, such as nvidia.com/gpu, amd.com/gpu or nvidia.com/mig-1g.10gb.",
    )
    count: int = Field(default=1, ge=1, le=16, description="How many of them one worker gets.")
    runtime_class_name: DnsName | None = Field(default=None, description="RuntimeClass of GPU pods, such as nvidia.")
    node_selector: Labels = Field(default_factory=dict, description="Labels that a node must have.")
    tolerations: Annotated[tuple[Toleration, ...], Field(strict=False, max_length=32)] = Field(
        default=(), description="Taints that GPU nodes may have; the one named like the resource is always tolerated."
    )
    topology_spread: Literal["none", "node", "zone"] = Field(
        default="none", description="Spread workers over nodes or zones where that is possible; none: pack them."
    )
    dra: DeviceClaim | None = Field(
        default=None, description="Claim devices by DRA (resource.k8s.io) instead of resourceName."
    )


class Images(Strict):
    """Where container images come from."""

    registry: str = Field(
        default="ghcr.io/speechpipe",
        pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?(/[a-z0-9]+([-._]+[a-z0-9]+)*)*$",
        max_length=200,
        description="Registry and path in front of the default image names, for mirrors.",
    )
    tag: str | None = Field(
        default=None,
        max_length=128,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$",
        description="Tag of the default images; absent: the operator's own version. Workers on NVIDIA's devices"
        " (device cuda, or auto with a gpu) get the image whose tag ends in -cuda besides.",
    )
    gateway: ImageReference | None = Field(default=None, description="Whole reference of the gateway's image.")
    stt: ImageReference | None = Field(default=None, description="Whole reference of the STT worker's image.")
    translation: ImageReference | None = Field(
        default=None, description="Whole reference of the translation worker's image."
    )
    redis: ImageReference | None = Field(default=None, description="Whole reference of the Valkey or Redis image.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When nodes pull images."
    )
    pull_secrets: Annotated[tuple[DnsName, ...], Field(strict=False, max_length=16), Different] = Field(
        default=(),
        description="Names of Secrets with the registry's credentials, in the pipeline's namespace.",
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )


class Proxy(Strict):
    """HTTP proxy for what fetches models and keys."""

    http_proxy: Address = Field(default="", description="Proxy for http addresses.")
    https_proxy: Address = Field(default="", description="Proxy for https addresses.")
    no_proxy: str = Field(default="", max_length=4096, description="Hosts reached without it, with commas between.")


class CaBundle(Strict):
    """Certificates of authorities to trust besides the usual ones."""

    config_map: DnsName | None = Field(default=None, description="ConfigMap that holds them.")
    secret: DnsName | None = Field(default=None, description="Secret that holds them.")
    key: str = Field(
        default="ca.crt",
        min_length=1,
        max_length=253,
        pattern=r"^[-._a-zA-Z0-9]+$",
        description="Key within it: PEM, one or many.",
    )

    @rule("has(self.configMap) != has(self.secret)", "give exactly one of configMap and secret")
    def _one_source(self) -> bool:
        return (self.config_map is None) != (self.secret is None)


class ClaimedStorage(Strict):
    """A volume of a StorageClass."""

    size: Quantity = Field(default="10Gi", description="Size of the volume; it may grow, never shrink.")
    storage_class_name: DnsName | None = Field(
        default=None, description="StorageClass, for good once chosen; absent: the cluster's default."
    )

    served: ClassVar[tuple[Cel, ...]] = (
        Cel(
            "quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0",
            "size must not shrink: a volume can grow only",
            "'size must not shrink from ' + oldSelf.size + ' to ' + self.size + ': a volume can grow only'",
        ),
        Cel(
            "has(self.storageClassName) == has(oldSelf.storageClassName) && "
            "(!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)",
            "storageClassName can't change: a volume keeps its class; make a new pipeline for another",
        ),
    )
