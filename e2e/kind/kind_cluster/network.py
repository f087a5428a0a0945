"""The pod network of our own nodes, in the place of kindnet, whose image is in a registry.

Each node gives addresses of its own range to its pods (CNI's ptp and host-local), and every node has a route to every
other's range. Nothing enforces network policies.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FILE = "/etc/cni/net.d/10-speechpipe.conflist"


@dataclass(frozen=True, slots=True)
class Node:
    """A node as far as routes go."""

    name: str
    address: str
    pods: str
    """The range of its pods' addresses, in CIDR notation."""


def nodes(listing: Mapping[str, Any]) -> list[Node]:
    """The nodes of a ``kubectl get nodes -o json`` that have an address and a range of their own by now."""
    found = []
    for item in listing["items"]:
        addresses = {entry["type"]: entry["address"] for entry in item["status"].get("addresses", [])}
        pods = item["spec"].get("podCIDR")
        if pods and "InternalIP" in addresses:
            found.append(Node(item["metadata"]["name"], addresses["InternalIP"], pods))
    return found


def conflist(node: Node) -> str:
    """A node's CNI settings."""
    addresses = {
        "type": "host-local",
        "dataDir": "/run/cni-ipam-state",
        "routes": [{"dst": "0.0.0.0/0"}],
        "ranges": [[{"subnet": node.pods}]],
    }
    plugins = [
        {"type": "ptp", "ipMasq": False, "ipam": addresses},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    return json.dumps({"cniVersion": "0.4.0", "name": "speechpipe", "plugins": plugins})


def routes(node: Node, all_nodes: Sequence[Node]) -> list[list[str]]:
    """The commands that make a node reach the pods of the others."""
    return [["ip", "route", "replace", peer.pods, "via", peer.address] for peer in all_nodes if peer.name != node.name]
