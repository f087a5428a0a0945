"""The command lines of a control plane's parts. Pure: a layout in, arguments out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LOOPBACK: Final = "127.0.0.1"

CLIENT_RATE: Final = ("--kube-api-qps=500", "--kube-api-burst=1000")
"""A test cluster has one client of each kind; the defaults (20 to 50 a second) would only make tests wait."""

SCHEDULER_BACKOFF_SECONDS: Final = 1
"""An unschedulable pod is tried again after 1 s at most instead of 10."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Folder and loopback ports of one control plane; they outlive the restarts of its parts."""

    directory: Path
    etcd: int
    etcd_peer: int
    api_server: int
    controllers: int
    scheduler: int

    @property
    def etcd_url(self) -> str:
        """Where etcd serves clients."""
        return f"http://{LOOPBACK}:{self.etcd}"

    @property
    def tokens(self) -> Path:
        """Static tokens that the API server accepts."""
        return self.directory / "tokens.csv"

    @property
    def service_account_key(self) -> Path:
        """Private key that signs ServiceAccount tokens."""
        return self.directory / "service-accounts.pem"

    @property
    def certificate(self) -> Path:
        """Certificate that the API server makes for itself, with its issuer: clients verify it by this file."""
        return self.directory / "certificates" / "apiserver.crt"

    @property
    def admin_kubeconfig(self) -> Path:
        """The administrator's kubeconfig, which controllers and scheduler use."""
        return self.directory / "admin.kubeconfig"

    @property
    def scheduler_config(self) -> Path:
        """File for ``scheduler_document``."""
        return self.directory / "scheduler.json"


def etcd(layout: Layout) -> tuple[str, ...]:
    """One member, which trusts the page cache."""
    peer = f"http://{LOOPBACK}:{layout.etcd_peer}"
    return (
        f"--data-dir={layout.directory / 'etcd'}",
        f"--listen-client-urls={layout.etcd_url}",
        f"--advertise-client-urls={layout.etcd_url}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # a killed process loses nothing by it, only a machine without power would
        "--log-level=warn",
    )


def api_server(layout: Layout) -> tuple[str, ...]:
    """Default admission (Pod Security too), Node and RBAC authorization, tokens."""
    return (
        f"--etcd-servers={layout.etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={layout.api_server}",
        f"--cert-dir={layout.certificate.parent}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=Node,RBAC",
        "--anonymous-auth=false",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.service_account_key}",
        f"--service-account-signing-key-file={layout.service_account_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--endpoint-reconciler-type=none",  # it refuses to publish a loopback address
        "--allow-privileged=true",
        "--profiling=false",
    )


def controller_manager(layout: Layout) -> tuple[str, ...]:
    """Every controller, each as its own ServiceAccount."""
    return (
        *_client(layout, layout.controllers),
        "--controllers=*",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={layout.service_account_key}",
        f"--root-ca-file={layout.certificate}",
        "--allocate-node-cidrs=false",
        *CLIENT_RATE,
    )


def scheduler(layout: Layout) -> tuple[str, ...]:
    """The default profile."""
    return (*_client(layout, layout.scheduler), f"--config={layout.scheduler_config}")


def scheduler_document(layout: Layout) -> dict[str, Any]:
    """The scheduler's configuration file: what it has no flags for."""
    return {
        "apiVersion": "kubescheduler.config.k8s.io/v1",
        "kind": "KubeSchedulerConfiguration",
        "clientConnection": {"kubeconfig": str(layout.admin_kubeconfig), "qps": 500, "burst": 1000},
        "leaderElection": {"leaderElect": False},
        "podInitialBackoffSeconds": SCHEDULER_BACKOFF_SECONDS,
        "podMaxBackoffSeconds": SCHEDULER_BACKOFF_SECONDS,
    }


def _client(layout: Layout, port: int) -> tuple[str, ...]:
    return (
        f"--kubeconfig={layout.admin_kubeconfig}",
        f"--authentication-kubeconfig={layout.admin_kubeconfig}",
        f"--authorization-kubeconfig={layout.admin_kubeconfig}",
        "--leader-elect=false",
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
    )
