"""Where pods may run and what they get: shared by every component that becomes pods."""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from speechpipe_operator.spec.base import Quantity, Strict

_AMOUNT: Final = re.compile(r"[0-9]+(\.[0-9]{1,3})?(m|k|[MGTP]i?|Ki)?")
_LABEL: Final = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

FORBIDDEN_IN_PODS: Final = ("serviceAccountName", "serviceAccount", "hostNetwork", "hostPID", "hostIPC")
"""Fields of a pod that a template can't set: they would take it out of what `restricted` allows, or give it rights."""


def _amount(value: str) -> str:
    if not _AMOUNT.fullmatch(value):
        raise ValueError(f"{value!r} is no quantity; write a number and perhaps a unit, such as 500m, 2 or 4Gi")
    return value


def _resource_name(value: str) -> str:
    if not _LABEL.fullmatch(value):
        raise ValueError(f"{value!r} is no name of a resource; examples: cpu, memory, nvidia.com/gpu")
    return value


Amounts = dict[Annotated[str, AfterValidator(_resource_name)], Annotated[str, AfterValidator(_amount)]]
"""Resource name to quantity, as text (500m, 4Gi)."""
Labels = dict[str, str]
DnsName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
PodTemplate = dict[str, Any]
"""A pod template as Kubernetes has it (`metadata`, `spec`), merged over the rendered one.

Untyped in the schema: a typed one is longer than an annotation of kubectl may be. The API server checks it when it is
applied.
"""


class Resources(Strict):
    """Compute resources of the component's main container."""

    requests: Amounts = Field(default_factory=dict, description="What the scheduler sets aside, such as cpu: 500m.")
    limits: Amounts = Field(default_factory=dict, description="What the container may not exceed, such as memory: 4Gi.")


class Toleration(Strict):
    """Lets pods run on nodes with a matching taint."""

    key: str | None = Field(default=None, min_length=1, description="Key of the taint; absent with Exists: all taints.")
    operator: Literal["Equal", "Exists"] = Field(default="Equal", description="Equal compares value; Exists does not.")
    value: str | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint; absent: any."
    )

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.operator == "Equal" and self.key is None:
            raise ValueError("operator Equal needs a key")
        if self.operator == "Exists" and self.value is not None:
            raise ValueError("operator Exists takes no value")
        return self


class DeviceClaim(Strict):
    """GPUs by dynamic resource allocation instead of an extended resource."""

    device_class_name: DnsName = Field(description="DeviceClass that the driver provides, such as gpu.nvidia.com.")
    selectors: Annotated[tuple[str, ...], Field(strict=False, max_length=16)] = Field(
        default=(), description="CEL expressions that a device must fulfil, such as device.attributes[...]... == ...."
    )


class Gpu(Strict):
    """The accelerators of one worker, and the nodes that have them."""

    resource_name: Annotated[str, AfterValidator(_resource_name)] = Field(
        default="nvidia.com/gpu",
        max_length=253,
        description="Extended resource to ask for: nvidia.com/gpu, amd.com/gpu, a MIG profile (nvidia.com/mig-1g.10gb).",
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
        pattern=r"^[a-z0-9]([-a-z0-9._:/]*[a-z0-9])?$",
        max_length=200,
        description="Registry and path in front of the default image names, for mirrors.",
    )
    tag: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$",
        description="Tag of the default images; absent: the operator's own version.",
    )
    gateway: str | None = Field(default=None, min_length=1, description="Whole reference of the gateway's image.")
    stt: str | None = Field(default=None, min_length=1, description="Whole reference of the STT worker's image.")
    translation: str | None = Field(
        default=None, min_length=1, description="Whole reference of the translation worker's image."
    )
    redis: str | None = Field(default=None, min_length=1, description="Whole reference of the Valkey or Redis image.")
    pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        default="IfNotPresent", description="When nodes pull images."
    )
    pull_secrets: Annotated[tuple[DnsName, ...], Field(strict=False, max_length=16)] = Field(
        default=(), description="Names of Secrets with the registry's credentials, in the pipeline's namespace."
    )


class Proxy(Strict):
    """HTTP proxy for what fetches models and keys."""

    http_proxy: str = Field(default="", max_length=512, description="Proxy for http addresses.")
    https_proxy: str = Field(default="", max_length=512, description="Proxy for https addresses.")
    no_proxy: str = Field(default="", max_length=4096, description="Hosts reached without it, with commas between.")


class CaBundle(Strict):
    """Certificates of authorities to trust besides the usual ones."""

    config_map: DnsName | None = Field(default=None, description="ConfigMap that holds them.")
    secret: DnsName | None = Field(default=None, description="Secret that holds them.")
    key: str = Field(default="ca.crt", min_length=1, max_length=253, description="Key within it: PEM, one or many.")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.config_map is None) == (self.secret is None):
            raise ValueError("give exactly one of configMap and secret")
        return self


class ClaimedStorage(Strict):
    """A volume of a StorageClass."""

    size: Quantity = Field(default="10Gi", description="Size of the volume; it may grow, never shrink.")
    storage_class_name: DnsName | None = Field(default=None, description="StorageClass; absent: the cluster's default.")
