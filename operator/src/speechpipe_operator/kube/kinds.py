"""Where each kind lives in the API: the only table of paths."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from speechpipe_operator.objects import GROUP, PLURAL


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object. ``api_version`` is ``v1`` or ``group/version``; ``plural`` its name in paths and in RBAC."""

    name: str
    api_version: str
    plural: str
    namespaced: bool = True

    @property
    def group(self) -> str:
        """Its API group as RBAC has it; empty for the core."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Path of a collection, an object or its subresource; without ``namespace`` of all namespaces."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        inside = f"/namespaces/{quote(namespace, safe='')}" if namespace and self.namespaced else ""
        parts = [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join((f"{root}{inside}/{self.plural}", *parts))


_TABLE: Final = (
    Kind("SpeechPipeline", f"{GROUP}/v1alpha1", PLURAL),
    Kind("ConfigMap", "v1", "configmaps"),
    Kind("Event", "v1", "events"),
    Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
    Kind("Pod", "v1", "pods"),
    Kind("Secret", "v1", "secrets"),
    Kind("Service", "v1", "services"),
    Kind("ServiceAccount", "v1", "serviceaccounts"),
    Kind("Deployment", "apps/v1", "deployments"),
    Kind("ReplicaSet", "apps/v1", "replicasets"),
    Kind("StatefulSet", "apps/v1", "statefulsets"),
    Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
    Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
    Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
    Kind("Ingress", "networking.k8s.io/v1", "ingresses"),
    Kind("Lease", "coordination.k8s.io/v1", "leases"),
    Kind("ResourceClaimTemplate", "resource.k8s.io/v1", "resourceclaimtemplates"),
    Kind("HTTPRoute", "gateway.networking.k8s.io/v1", "httproutes"),
    Kind("PodMonitor", "monitoring.coreos.com/v1", "podmonitors"),
    Kind("Namespace", "v1", "namespaces", namespaced=False),
    Kind("Node", "v1", "nodes", namespaced=False),
    Kind("CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
    Kind("SelfSubjectAccessReview", "authorization.k8s.io/v1", "selfsubjectaccessreviews", namespaced=False),
    Kind("DeviceClass", "resource.k8s.io/v1", "deviceclasses", namespaced=False),
)

KINDS: Final = {kind.name: kind for kind in _TABLE}
"""Every kind that the operator reads or writes, by name."""


def kind_of(name: str, api_version: str | None = None) -> Kind:
    """The kind called ``name``, in another version of its group where ``api_version`` says so.

    Raises:
        KeyError: the operator has no business with that kind.
    """
    kind = KINDS[name]
    if api_version is None or api_version == kind.api_version:
        return kind
    return Kind(kind.name, api_version, kind.plural, kind.namespaced)
