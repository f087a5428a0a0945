"""What the cluster serves, and what is missing, looked up again and again."""

from dataclasses import dataclass

from speechpipe_operator.kube import Capabilities, KindMissing, KubeApi, NotFound, discover
from speechpipe_operator.objects import GROUP, PLURAL
from speechpipe_operator.spec import API_VERSION

MISSING_CRD = (
    f"this cluster does not know SpeechPipelines ({PLURAL}.{GROUP}): install crds/speechpipelines.yaml with kubectl; "
    "the operator goes on by itself then"
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """What there is."""

    pipelines: bool
    """The CRD is installed."""
    capabilities: Capabilities

    @property
    def absent_groups(self) -> frozenset[str]:
        """API groups that are not served, so that nobody need be allowed to use them."""
        groups = {
            GROUP: self.pipelines,
            "gateway.networking.k8s.io": self.capabilities.http_routes,
            "monitoring.coreos.com": self.capabilities.pod_monitors,
            "resource.k8s.io": self.capabilities.claims is not None,
        }
        return frozenset(group for group, served in groups.items() if not served)


async def look(api: KubeApi) -> Cluster:
    """Ask the API server.

    Raises:
        KubeError: it does not answer.
    """
    capabilities = await discover(api)
    try:
        found = await api.raw(f"/apis/{API_VERSION}")
    except (NotFound, KindMissing):
        return Cluster(False, capabilities)
    return Cluster(any(resource["name"] == PLURAL for resource in found["resources"]), capabilities)
