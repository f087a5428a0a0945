"""Whether the cluster itself is sound: what a suite may count on before it blames the product."""

import json
import os
import subprocess
from collections.abc import Iterator

import pytest

pytestmark = pytest.mark.skipif("KIND_CLUSTER" not in os.environ, reason="the cluster is not one of ours")

NAMESPACE = "ground"
SECONDS = 180
PORT = 30080
WEB = {
    "apiVersion": "apps/v1",
    "kind": "DaemonSet",
    "metadata": {"name": "web"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "tolerations": [{"operator": "Exists"}],
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "web",
                        "image": "speechpipe.dev/node-tools:local",
                        "imagePullPolicy": "IfNotPresent",
                        "command": ["sh", "-c", 'echo "$NODE" >/tmp/node; exec busybox httpd -f -p 8080 -h /tmp'],
                        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                        "readinessProbe": {"httpGet": {"path": "/node", "port": 8080}, "periodSeconds": 1},
                    }
                ],
            },
        },
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web"},
    "spec": {
        "type": "NodePort",
        "selector": {"app": "web"},
        "ports": [{"port": 80, "targetPort": 8080, "nodePort": PORT}],
    },
}


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """What kubectl prints; the test fails where it does."""
    command = ["kubectl", "-n", NAMESPACE, *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def pods() -> Iterator[dict[str, str]]:
    """Name of a web server's pod by node: one on each, behind one Service."""
    kubectl("create", "namespace", NAMESPACE)
    try:
        kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": [WEB, SERVICE]}))
        kubectl("rollout", "status", "daemonset/web", f"--timeout={SECONDS}s")
        listing = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
        yield {pod["spec"]["nodeName"]: pod["metadata"]["name"] for pod in listing}
    finally:
        kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def addresses() -> dict[str, str]:
    """The nodes' addresses by name."""
    nodes = json.loads(kubectl("get", "nodes", "-o", "json"))["items"]
    return {
        node["metadata"]["name"]: entry["address"]
        for node in nodes
        for entry in node["status"]["addresses"]
        if entry["type"] == "InternalIP"
    }


def answers(pods: dict[str, str], url: str, tries: int = 40) -> dict[str, set[str]]:
    """From each node, the nodes that answered; asks until all have, ``tries`` times at most."""
    loop = f"for i in $(seq {tries}); do busybox wget -q -O - {url} || echo FAILED; done"
    return {node: set(kubectl("exec", pod, "--", "busybox", "sh", "-c", loop).split()) for node, pod in pods.items()}


def test_every_pod_reaches_every_other(pods: dict[str, str]) -> None:
    """By their own addresses, across nodes."""
    listing = json.loads(kubectl("get", "pods", "-l", "app=web", "-o", "json"))["items"]
    for pod in listing:
        found = answers(pods, f"http://{pod['status']['podIP']}:8080/node", tries=1)
        assert found == {node: {pod["spec"]["nodeName"]} for node in pods}


def test_a_service_is_found_by_name_and_spreads(pods: dict[str, str]) -> None:
    """The cluster's DNS and kube-proxy: from every node a ClusterIP leads to pods on all of them, and never fails."""
    found = answers(pods, "http://web.ground.svc.cluster.local/node")
    assert found == {node: set(pods) for node in pods}


def test_every_node_opens_the_node_port(pods: dict[str, str], addresses: dict[str, str]) -> None:
    """A NodePort answers on each node's address, for pods and for who runs the tests."""
    for address in addresses.values():
        url = f"http://{address}:{PORT}/node"
        assert all("FAILED" not in names for names in answers(pods, url, tries=5).values())
        assert subprocess.run(["curl", "-sf", "-m", "30", url], capture_output=True, text=True).stdout.strip() in pods
