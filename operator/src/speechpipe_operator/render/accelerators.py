"""GPUs: extended resources or DRA claims, and the nodes that have them."""

from dataclasses import dataclass, field

from speechpipe_operator.components import Component
from speechpipe_operator.objects import Object, checksum
from speechpipe_operator.render.context import Frame
from speechpipe_operator.render.errors import RenderError
from speechpipe_operator.render.meta import made, present, selector
from speechpipe_operator.spec import DeviceClaim, Gpu, Resources, Toleration

CLAIM = "gpu"
"""Name of the claim within a pod, and of the request within the claim."""

TOPOLOGY_KEYS = {"node": "kubernetes.io/hostname", "zone": "topology.kubernetes.io/zone"}


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What GPUs add to a pod, and to its main container's resources."""

    pod: Object = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)
    claims: tuple[str, ...] = ()

    def resources_over(self, given: Resources) -> Object:
        """Fields of ``resources`` to put over those of the spec."""
        added: Object = {}
        if self.limits:
            added["limits"] = {**given.limits, **self.limits}
        if self.claims:
            added["claims"] = [{"name": name} for name in self.claims]
        return added


def accelerator(frame: Frame, component: Component) -> Accelerator:
    """What the GPUs of a component add to its pods; nothing without any.

    Raises:
        RenderError: DRA is asked for and the cluster has none.
    """
    gpu = component.pods.gpu
    if gpu is None:
        return Accelerator()
    pod = present(
        runtimeClassName=gpu.runtime_class_name,
        nodeSelector=dict(gpu.node_selector) or None,
        tolerations=[
            {"key": gpu.resource_name, "operator": "Exists", "effect": "NoSchedule"},
            *(_toleration(toleration) for toleration in gpu.tolerations),
        ],
        topologySpreadConstraints=_spread(frame, component, gpu),
    )
    if gpu.dra is None:
        return Accelerator(pod, limits={gpu.resource_name: str(gpu.count)})
    _refuse_without_dra(frame, component)
    name = claim_template_name(frame, component.name, gpu.dra, gpu.count)
    claim = {"name": CLAIM, "resourceClaimTemplateName": name}
    return Accelerator(pod | {"resourceClaims": [claim]}, claims=(CLAIM,))


def claim_templates(frame: Frame, component: Component) -> list[Object]:
    """The ResourceClaimTemplate of a component with DRA.

    Raises:
        RenderError: the cluster has no DRA.
    """
    gpu = component.pods.gpu
    if gpu is None or gpu.dra is None:
        return []
    version = _refuse_without_dra(frame, component)
    request: Object = {"deviceClassName": gpu.dra.device_class_name, "allocationMode": "ExactCount", "count": gpu.count}
    if gpu.dra.selectors:
        request["selectors"] = [{"cel": {"expression": expression}} for expression in gpu.dra.selectors]
    named = {"name": CLAIM, **request} if version == "v1beta1" else {"name": CLAIM, "exactly": request}
    return [
        made(
            frame,
            component.name,
            (f"resource.k8s.io/{version}", "ResourceClaimTemplate"),
            claim_template_name(frame, component.name, gpu.dra, gpu.count),
            spec={"spec": {"devices": {"requests": [named]}}},
        )
    ]


def claim_template_name(frame: Frame, component: str, claim: DeviceClaim, count: int) -> str:
    """A name with a hash of what is claimed, since a ResourceClaimTemplate can't be changed.

    The API's version is no part of it: a newer cluster replaces no pod.
    """
    return f"{frame.name(component)}-{checksum([claim.device_class_name, list(claim.selectors), count])[:8]}"


def _refuse_without_dra(frame: Frame, component: Component) -> str:
    version = frame.context.capabilities.dra
    if version is None:
        raise RenderError(
            component.name,
            f"spec.{component.name}.gpu.dra",
            "this cluster has no resource.k8s.io API, so devices can't be claimed; "
            "remove dra to ask for gpu.resourceName, or enable dynamic resource allocation",
        )
    return version


def _toleration(toleration: Toleration) -> Object:
    return present(key=toleration.key, operator=toleration.operator, value=toleration.value, effect=toleration.effect)


def _spread(frame: Frame, component: Component, gpu: Gpu) -> list[Object] | None:
    if gpu.topology_spread == "none":
        return None
    return [
        {
            "maxSkew": 1,
            "topologyKey": TOPOLOGY_KEYS[gpu.topology_spread],
            "whenUnsatisfiable": "ScheduleAnyway",  # where that is possible, as the spec says
            "labelSelector": {"matchLabels": selector(frame, component.name)},
        }
    ]
