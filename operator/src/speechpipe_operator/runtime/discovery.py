"""What the cluster serves, and what is missing, looked up again and again."""

from dataclasses import dataclass
from typing import Final, TypeVar

from speechpipe_operator.kube import Capabilities, KindMissing, KubeApi, NotFound, discover
from speechpipe_operator.objects import GROUP, PLURAL
from speechpipe_operator.spec import API_VERSION

LOOKS: Final = 3
"""An API server that has just started does not name all of its groups: what was served is gone only when so many looks
in a row have missed it. Else a PodMonitor would be pruned because its API was late."""

T = TypeVar("T")

MISSING_CRD: Final = (
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


class Steady:
    """What the cluster serves, believed at once when it appears and only after some looks when it goes."""

    def __init__(self) -> None:
        self._believed: Cluster | None = None
        self._missed: dict[str, int] = {}

    @property
    def doubtful(self) -> bool:
        """Whether something was missed that may come back."""
        return any(0 < count < LOOKS for count in self._missed.values())

    def take(self, found: Cluster) -> Cluster:
        """The cluster as it is to be believed after this look."""
        if self._believed is not None:
            old, new = self._believed.capabilities, found.capabilities
            found = Cluster(
                self._keep("pipelines", self._believed.pipelines, found.pipelines),
                Capabilities(
                    self._keep("pod_monitors", old.pod_monitors, new.pod_monitors),
                    self._keep("http_routes", old.http_routes, new.http_routes),
                    self._keep("claims", old.claims, new.claims),
                ),
            )
        self._believed = found
        return found

    def _keep(self, what: str, old: T, new: T) -> T:
        self._missed[what] = self._missed.get(what, 0) + 1 if old and not new else 0
        return old if 0 < self._missed[what] < LOOKS else new
