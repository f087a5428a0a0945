"""Creates the Kubernetes cluster on an engine that runs: kind, the pod network where it needs ours, readiness."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kind_cluster import network, tools
from kind_cluster.record import NAME
from kind_cluster.steps import ask, run, step, wait_until

WORKERS = 2
READY = "180s"
OUR_CONTAINERD = '[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n'
"""Without CAP_SYS_RESOURCE no process may lower its score, and every sandbox would die of trying."""
OUR_KUBE_PROXY = (
    "kind: KubeProxyConfiguration\n"
    "conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}\n"
)
"""The limits of connection tracking can't be set in a network namespace: leave them."""


@dataclass(frozen=True, slots=True)
class Ground:
    """How to reach the engine and the cluster on it."""

    prefix: tuple[str, ...]
    """Put before every command."""
    env: Mapping[str, str]
    kubeconfig: Path
    logs: Path

    def run(self, *command: str, log: str) -> None:
        """Run a program of a step to its end.

        Raises:
            StepError: it failed.
        """
        run([*self.prefix, *command], self.logs / f"{log}.log", self.env)

    def ask(self, *command: str, stdin: str | None = None) -> str:
        """What a program says.

        Raises:
            StepError: it failed.
        """
        return ask([*self.prefix, *command], self.env, stdin)

    def kubectl(self, *arguments: str) -> list[str]:
        """A command line for the cluster."""
        program = tools.folder("kubectl") / "kubectl"
        return [str(program), f"--kubeconfig={self.kubeconfig}", *arguments]

    def kind(self, *arguments: str) -> list[str]:
        """A command line of kind for our cluster."""
        return [str(tools.folder("kind") / "kind"), *arguments, f"--name={NAME}"]


def control_plane() -> str:
    """Name of the control plane's container, as kind calls it."""
    return f"{NAME}-control-plane"


def workers() -> list[str]:
    """Names of the workers' containers, as kind calls them."""
    return [f"{NAME}-worker{number if number > 1 else ''}" for number in range(1, WORKERS + 1)]


def config(image: str, *, own: bool) -> dict[str, Any]:
    """Settings of kind for one control plane and `WORKERS`.

    Args:
        image: of the nodes.
        own: whether the image is ours and runs on our engine, which both lack some things.
    """
    roles = ["control-plane", *["worker"] * WORKERS]
    common = {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": NAME,
        "nodes": [{"role": role, "image": image} for role in roles],
    }
    if not own:
        return common
    return common | {
        "networking": {"ipFamily": "ipv4", "disableDefaultCNI": True},
        "containerdConfigPatches": [OUR_CONTAINERD],
        "kubeadmConfigPatches": [OUR_KUBE_PROXY],
    }


def create(ground: Ground, image: str, *, own: bool) -> None:
    """Create the cluster and wait until every node and the cluster's DNS are ready.

    Raises:
        StepError: a step failed.
    """
    settings = ground.logs / "kind.json"
    ground.logs.mkdir(parents=True, exist_ok=True)
    settings.write_text(json.dumps(config(image, own=own), indent=2))
    with step(f"kind create cluster ({image})"):
        kubeconfig = f"--kubeconfig={ground.kubeconfig}"
        ground.run(*ground.kind("create", "cluster", f"--config={settings}", kubeconfig, "--retain"), log="kind-create")
    if own:
        with step("the pod network"):
            _connect(ground)
    with step("nodes and DNS ready"):
        wait = f"--timeout={READY}"
        ground.run(*ground.kubectl("wait", "--for=condition=Ready", "nodes", "--all", wait), log="ready")
        for workload in ("daemonset/kube-proxy", "deployment/coredns"):
            ground.run(*ground.kubectl("-n", "kube-system", "rollout", "status", workload, wait), log="ready")


def _connect(ground: Ground) -> None:
    def found() -> list[network.Node]:
        return network.nodes(json.loads(ground.ask(*ground.kubectl("get", "nodes", "-o", "json"))))

    wait_until("every node to have a range of addresses", 120, lambda: len(found()) == 1 + WORKERS)
    nodes = found()
    for node in nodes:
        write = ("docker", "exec", "--interactive", node.name, "cp", "/dev/stdin", network.FILE)
        ground.ask(*write, stdin=network.conflist(node))
        for route in network.routes(node, nodes):
            ground.ask("docker", "exec", node.name, *route)
