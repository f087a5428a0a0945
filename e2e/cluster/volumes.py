"""Volumes on the nodes' own disks, fresh for each test: the cluster makes none by itself."""

from dataclasses import dataclass

from agents import Agents
from kubectl import Json, apply, delete, items
from settings import RUN_LABEL


@dataclass(frozen=True)
class Volumes:
    """Makes local volumes; ``storage_class`` names the class that claims have to ask for."""

    agents: Agents
    run: str

    @property
    def storage_class(self) -> str:
        """Name of the class."""
        return f"e2e-{self.run}"

    def begin(self) -> None:
        """Make the class: volumes are bound when a pod wants them, since they are on one node."""
        apply(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {"name": self.storage_class, "labels": {RUN_LABEL: self.run}},
                "provisioner": "kubernetes.io/no-provisioner",
                "volumeBindingMode": "WaitForFirstConsumer",
            }
        )

    def make(self, namespace: str, claim: str, node: str, size: str = "1Gi") -> str:
        """An empty volume on a node that only this claim can have; its name."""
        name = f"{namespace}-{claim}"
        folder = f"{self.agents.folder}/{name}"
        self.agents.on(node, "sh", "-c", f"rm -rf {folder} && mkdir -p {folder} && chmod 0777 {folder}")
        apply(local_volume(name, self.storage_class, node, folder, size, claim_of=(namespace, claim), run=self.run))
        return name

    def end(self) -> None:
        """Remove the volumes and the class; their folders go with the agents."""
        mine = f"{RUN_LABEL}={self.run}"
        delete("persistentvolumes", *(item["metadata"]["name"] for item in items("pv", selector=mine)), wait=False)
        delete("storageclass", self.storage_class)


def local_volume(
    name: str, storage_class: str, node: str, folder: str, size: str, claim_of: tuple[str, str], run: str
) -> Json:
    """A PersistentVolume in a folder of a node."""
    namespace, claim = claim_of
    where = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "labels": {RUN_LABEL: run}},
        "spec": {
            "capacity": {"storage": size},
            "accessModes": ["ReadWriteOnce", "ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": storage_class,
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": claim},
            "local": {"path": folder},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [where]}]}},
        },
    }
