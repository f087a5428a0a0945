"""What the operator does with which kind: the one table that its own checks read, and that the roles are tested by."""

from dataclasses import dataclass
from typing import Final, Literal

Where = Literal["pipelines", "operator", "cluster"]
"""In the namespaces of pipelines; in the operator's own; on things that have no namespace."""

APPLIED: Final = ("create", "delete", "get", "list", "patch", "watch")
"""Server-side apply is a ``patch`` and, where the object is absent, a ``create`` besides."""


@dataclass(frozen=True, slots=True)
class Need:
    """Verbs on one resource."""

    group: str
    resource: str
    """Plural, with the subresource: ``deployments/scale``."""
    verbs: tuple[str, ...]
    where: Where = "pipelines"
    purpose: str = ""
    """What does not work without, in words."""

    @property
    def shown(self) -> str:
        """``deployments.apps``."""
        return f"{self.resource}.{self.group}" if self.group else self.resource


NEEDS: Final = (
    Need("speechpipe.dev", "speechpipelines", ("list", "watch"), purpose="no pipeline is seen"),
    Need("speechpipe.dev", "speechpipelines/status", ("patch",), purpose="the status can't be written"),
    Need("", "configmaps", APPLIED),
    Need("", "services", APPLIED),
    Need("", "serviceaccounts", APPLIED),
    Need("apps", "deployments", APPLIED),
    Need("apps", "deployments/scale", ("get", "patch"), purpose="workers are not scaled"),
    Need("apps", "statefulsets", APPLIED),
    Need("apps", "replicasets", ("list",), purpose="claim templates that are no longer used stay"),
    Need("policy", "poddisruptionbudgets", APPLIED),
    Need("autoscaling", "horizontalpodautoscalers", APPLIED),
    Need("networking.k8s.io", "networkpolicies", APPLIED),
    Need("networking.k8s.io", "ingresses", APPLIED),
    Need("gateway.networking.k8s.io", "httproutes", APPLIED),
    Need("monitoring.coreos.com", "podmonitors", APPLIED),
    Need("resource.k8s.io", "resourceclaimtemplates", APPLIED),
    Need(
        "", "persistentvolumeclaims", ("create", "get", "list", "patch", "watch"), purpose="no volume is made or grown"
    ),
    Need("", "secrets", ("get", "create", "patch"), purpose="the password of Redis can't be made"),
    Need("", "pods", ("list", "watch", "patch"), purpose="what pods suffer from is not seen"),
    Need("events.k8s.io", "events", ("create",), purpose="transitions are not told as events"),
    Need("coordination.k8s.io", "leases", ("get", "create", "patch"), "operator", "no operator becomes active"),
)
