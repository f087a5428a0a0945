"""What is in a cluster before, during and after a release."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helm import CHART, RELEASE, Helm, Values
from ruamel.yaml import YAML

from speechpipe_common.testing import eventually
from speechpipe_operator.objects import PIPELINE_LABEL
from speechpipe_operator.testing.fixtures import CRDS
from speechpipe_operator.testing.rest import Rest

PIPELINES = "/apis/speechpipe.dev/v1alpha1"
DEFINITION = f"{CRDS}/speechpipelines.speechpipe.dev"
PATIENCE_SECONDS = 240.0
"""The garbage collector looks for new kinds every 30 s."""

INSIDE = (
    "/api/v1/{}/configmaps",
    "/api/v1/{}/persistentvolumeclaims",
    "/api/v1/{}/pods",
    "/api/v1/{}/secrets",
    "/api/v1/{}/serviceaccounts",
    "/api/v1/{}/services",
    "/apis/apps/v1/{}/deployments",
    "/apis/apps/v1/{}/replicasets",
    "/apis/apps/v1/{}/statefulsets",
    "/apis/batch/v1/{}/jobs",
    "/apis/coordination.k8s.io/v1/{}/leases",
    "/apis/networking.k8s.io/v1/{}/networkpolicies",
    "/apis/policy/v1/{}/poddisruptionbudgets",
    "/apis/rbac.authorization.k8s.io/v1/{}/roles",
    "/apis/rbac.authorization.k8s.io/v1/{}/rolebindings",
)
OUTSIDE = (
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
)
GIVEN = {"configmaps/kube-root-ca.crt", "serviceaccounts/default"}
"""What every namespace has."""


@dataclass(frozen=True)
class Release:
    """One release in one namespace."""

    helm: Helm
    rest: Rest

    @property
    def namespace(self) -> str:
        """Of the release."""
        return self.helm.namespace

    def install(self, values: Values) -> str:
        """Install it, and wait for what it makes."""
        return self._changed("install", RELEASE, str(self.helm.chart), *self.helm.given(values))

    def upgrade(self, chart: Path, values: Values) -> str:
        """Upgrade it to another chart or other values."""
        return self._changed("upgrade", RELEASE, str(chart), *self.helm.given(values))

    def rollback(self, revision: int) -> str:
        """Back to a revision."""
        return self._changed("rollback", RELEASE, str(revision))

    def uninstall(self) -> str:
        """Remove it."""
        return self._changed("uninstall", RELEASE)

    def _changed(self, *arguments: str) -> str:
        return self.helm.run(*arguments, "--wait", "--timeout=400s")

    async def objects(self) -> set[str]:
        """All that the namespace holds, as ``plural/name``, but for what every one does."""
        found = set()
        for path in INSIDE:
            items = await self.rest.items(path.format(f"namespaces/{self.namespace}"))
            found |= {f"{path.rpartition('/')[2]}/{item['metadata']['name']}" for item in items}
        return found - GIVEN

    async def outside(self) -> set[str]:
        """Objects of the release that have no namespace."""
        found = set()
        for path in OUTSIDE:
            items = await self.rest.items(path, labelSelector=f"app.kubernetes.io/instance={RELEASE}")
            found |= {item["metadata"]["name"] for item in items if item["metadata"]["name"].endswith(self.namespace)}
        return found

    async def left_over(self, expected: set[str]) -> None:
        """Wait until the namespace holds no more than that."""

        async def all_gone() -> bool:
            return await self.objects() == expected

        try:
            await eventually(all_gone, "everything else is gone", PATIENCE_SECONDS)
        except AssertionError:
            assert await self.objects() == expected

    async def ready(self, pipeline: str) -> None:
        """Wait until a pipeline is Ready."""
        path = f"{PIPELINES}/namespaces/{self.namespace}/speechpipelines/{pipeline}"

        async def conditions() -> dict[str, Any]:
            found = (await self.rest.get(path)).get("status", {}).get("conditions", [])
            return {item["type"]: item for item in found}

        async def is_ready() -> bool:
            return (await conditions()).get("Ready", {}).get("status") == "True"

        try:
            await eventually(is_ready, f"{pipeline} is Ready", PATIENCE_SECONDS)
        except AssertionError as error:
            error.add_note(json.dumps(await conditions(), indent=1))
            raise

    async def pods(self, selector: str = PIPELINE_LABEL) -> dict[str, str]:
        """UID by name of pods that are not about to end."""
        items = await self.rest.items(f"/api/v1/namespaces/{self.namespace}/pods", labelSelector=selector)
        alive = [item["metadata"] for item in items if "deletionTimestamp" not in item["metadata"]]
        return {metadata["name"]: metadata["uid"] for metadata in alive}


def newer_chart(folder: Path) -> Path:
    """A later version of the chart, with another tag for its images."""
    chart = folder / "newer"
    shutil.copytree(CHART, chart)
    file = chart / "Chart.yaml"
    yaml = YAML()
    document: dict[str, Any] = yaml.load(file.read_text())
    document |= {"version": "0.2.0", "appVersion": "0.2.0"}
    file.write_text(json.dumps(document))
    return chart
