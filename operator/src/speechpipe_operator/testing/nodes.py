"""Nodes that exist only as API objects: what the scheduler and the node controller want to see of one."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from speechpipe_operator.testing.rest import Json

LEASE_SECONDS = 40
"""As a kubelet's; the node controller gives a node up 50 s after the last renewal."""


@dataclass(frozen=True, slots=True)
class FakeNode:
    """A node to be.

    ``cpu`` in cores, ``memory`` as a quantity, ``pods`` at most; ``extended`` holds whole numbers by resource name,
    such as ``{"nvidia.com/gpu": 2}`` or ``{"nvidia.com/mig-1g.5gb": 7}``; ``taints`` as in a node's spec.
    """

    name: str
    cpu: int = 16
    memory: str = "64Gi"
    pods: int = 110
    extended: Mapping[str, int] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: Sequence[Json] = ()

    @property
    def resources(self) -> dict[str, str]:
        """Capacity, which is all allocatable."""
        extended = {name: str(count) for name, count in self.extended.items()}
        storage = {"ephemeral-storage": "100Gi"}
        return {"cpu": str(self.cpu), "memory": self.memory, "pods": str(self.pods), **storage, **extended}


def now() -> str:
    """This moment as the API writes it, to the second."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def node_object(node: FakeNode) -> Json:
    """The Node without its status, which the API server takes from the subresource alone."""
    labels = {"kubernetes.io/hostname": node.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels | dict(node.labels)},
        "spec": {"taints": list(node.taints)},
    }


def node_status(node: FakeNode, *, ready: bool = True) -> Json:
    """Status with its resources and conditions, to be merged into ``/status``."""
    moment = now()

    def condition(kind: str, holds: bool, reason: str) -> Json:
        beat = {"lastHeartbeatTime": moment, "lastTransitionTime": moment}
        return {"type": kind, "status": "True" if holds else "False", "reason": reason, "message": "", **beat}

    pressures = {"MemoryPressure": "KubeletHasSufficientMemory", "DiskPressure": "KubeletHasNoDiskPressure"}
    conditions = [condition(kind, False, reason) for kind, reason in pressures.items()]
    conditions.append(condition("PIDPressure", False, "KubeletHasSufficientPID"))
    conditions.append(condition("Ready", ready, "KubeletReady" if ready else "KubeletNotReady"))
    return {
        "status": {
            "capacity": node.resources,
            "allocatable": node.resources,
            "conditions": conditions,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": node.name}],
            "nodeInfo": _info(),
        }
    }


def lease_object(name: str) -> Json:
    """The Lease of a node in ``kube-node-lease``, renewed at this moment."""
    renewed = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": renewed},
    }


def _info() -> Json:
    strings = ("machineID", "systemUUID", "bootID", "kernelVersion", "osImage", "containerRuntimeVersion")
    versions = {
        "kubeletVersion": "v1.34.4",
        "kubeProxyVersion": "",
        "operatingSystem": "linux",
        "architecture": "amd64",
    }
    return dict.fromkeys(strings, "fake") | versions
