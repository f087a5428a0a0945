"""One privileged pod a node, for what only a node can do: folders for volumes, and packet filters.

They have a namespace of their own, the only one of the suite that allows them.
"""

from dataclasses import dataclass
from functools import partial

from kubectl import Json, apply, delete, execute, items
from progress import until
from settings import RUN_LABEL, Settings
from states import serving

HOME = "/var/lib/speechpipe-e2e"
"""Folder of the suite on each node; each run has one of its own in it, since another may be about to end."""
START_SECONDS = 180.0
GONE_SECONDS = 180.0


@dataclass(frozen=True)
class Agents:
    """Runs commands on nodes."""

    namespace: str
    pods: dict[str, str]
    """Name of its pod by node."""
    folder: str
    """Of this run on each node."""

    def on(self, node: str, *command: str, stdin: str | None = None) -> str:
        """Run a command on a node, in its network and as root; its output."""
        return execute(self.pods[node], self.namespace, *command, stdin=stdin)

    def address(self, node: str) -> str:
        """The node's own address in the cluster's network."""
        (found,) = (item for item in items("nodes") if item["metadata"]["name"] == node)
        return next(str(a["address"]) for a in found["status"]["addresses"] if a["type"] == "InternalIP")


def start(settings: Settings) -> Agents:
    """Make the namespace and wait for an agent on every node."""
    namespace = f"e2e-{settings.run}-agents"
    apply(privileged_namespace(namespace, settings.run), daemon_set(namespace, settings.node_tools))
    count = len(items("nodes"))

    def ready() -> list[Json]:
        found = [pod for pod in items("pods", namespace, "app=agent") if serving(pod)]
        return found if len(found) == count else []

    pods = until(ready, f"{count} agents on nodes", START_SECONDS, lambda: items("pods", namespace))
    return Agents(namespace, {p["spec"]["nodeName"]: p["metadata"]["name"] for p in pods}, f"{HOME}/{settings.run}")


def stop(agents: Agents) -> None:
    """Remove what is left on the nodes, then the agents."""
    for node in agents.pods:
        until(partial(emptied, agents, node), f"no volume to be left on {node}", GONE_SECONDS)
    delete("namespace", agents.namespace, wait=False)


def emptied(agents: Agents, node: str) -> bool:
    """Remove the volumes of this run from a node; False where a Redis that is still to end has made files meanwhile."""
    script = f"rm -rf {agents.folder} 2>/dev/null; test -e {agents.folder} || echo gone"
    return "gone" in agents.on(node, "sh", "-c", script)


def privileged_namespace(name: str, run: str) -> Json:
    """A namespace that lets its pods do anything."""
    labels = {RUN_LABEL: run, "pod-security.kubernetes.io/enforce": "privileged"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def daemon_set(namespace: str, image: str) -> Json:
    """The agents."""
    labels = {"app": "agent"}
    container = {
        "name": "agent",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"],
        "securityContext": {"privileged": True},
        "volumeMounts": [{"name": "home", "mountPath": HOME}],
    }
    pod = {
        "hostNetwork": True,
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
        "volumes": [{"name": "home", "hostPath": {"path": HOME, "type": "DirectoryOrCreate"}}],
    }
    spec = {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "agent", "namespace": namespace},
        "spec": spec,
    }
