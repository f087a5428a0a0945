"""What the cluster can do that not every cluster can."""

from dataclasses import dataclass
from typing import Final

from speechpipe_operator.kube.api import KubeApi
from speechpipe_operator.kube.errors import KindMissing, NotFound
from speechpipe_operator.kube.kinds import KINDS

CLAIM_VERSIONS: Final = ("v1", "v1beta2", "v1beta1")
"""Of ``resource.k8s.io``, best first."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Kinds that may be missing."""

    pod_monitors: bool = False
    """``PodMonitor`` of ``monitoring.coreos.com/v1``: the Prometheus operator is installed."""
    http_routes: bool = False
    """``HTTPRoute`` of ``gateway.networking.k8s.io/v1``: the Gateway API is installed."""
    claims: str | None = None
    """``apiVersion`` of ``ResourceClaimTemplate``; None: no dynamic resource allocation."""


async def discover(api: KubeApi) -> Capabilities:
    """Ask the API server, in two to five reads, and let ``api`` use the versions found.

    Raises:
        KubeError: it does not answer.
    """
    groups = {
        group["name"]: {version["version"] for version in group["versions"]}
        for group in (await api.raw("/apis"))["groups"]
    }
    offered = groups.get("resource.k8s.io", set())
    version = next((version for version in CLAIM_VERSIONS if version in offered), None)
    claims = f"resource.k8s.io/{version}" if version else None
    if claims:
        api.versions["ResourceClaimTemplate"] = api.versions["DeviceClass"] = claims
    return Capabilities(
        pod_monitors=await _has(api, groups, "PodMonitor"),
        http_routes=await _has(api, groups, "HTTPRoute"),
        claims=claims,
    )


async def _has(api: KubeApi, groups: dict[str, set[str]], name: str) -> bool:
    group, _, version = KINDS[name].api_version.partition("/")
    if version not in groups.get(group, ()):
        return False
    try:
        found = await api.raw(f"/apis/{group}/{version}")
    except (NotFound, KindMissing):  # it went away meanwhile
        return False
    return any(resource["kind"] == name for resource in found["resources"])
