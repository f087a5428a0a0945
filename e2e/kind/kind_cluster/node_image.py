"""The image of a kind node, built from source and Debian's packages, kept as one tar.

A substitute for kindest/node where there is no registry: kind's own files from its Go module, kubeadm, kubelet and the
control plane's images from the commands that we built.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from kind_cluster import archive, cache, control_plane, rootfs, tools
from kind_cluster.steps import ask, run, step

HERE = Path(__file__).resolve().parent
MODULES = HERE.parents[1] / "kubernetes"
COMMANDS = ("kubeadm", "kubelet", "kubectl")
PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")
NAME = "node.tar"
CONFIG = {
    "Env": ["container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    "Entrypoint": ["/usr/local/bin/entrypoint", "/sbin/init"],
    "StopSignal": "SIGRTMIN+3",
}
"""How a node's container starts, and systemd in it is told to end."""
STORAGE_CLASS = """\
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: standard
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/no-provisioner
volumeBindingMode: WaitForFirstConsumer
"""
"""kind installs what is here as the default class. No provisioner can be had: volumes are made by hand."""


@dataclass(frozen=True, slots=True)
class NodeImage:
    """A node's image as a docker-archive."""

    archive: Path
    tag: str


@dataclass(frozen=True, slots=True)
class Sources:
    """The folders of what goes in."""

    kubernetes: Path
    dns: Path
    kind: Path

    @classmethod
    def ensure(cls) -> "Sources":
        """Find or build them.

        Raises:
            StepError: one can't be had.
        """
        return cls(tools.folder(*PLANE, *COMMANDS), tools.folder("coredns", "pause"), tools.folder("kind"))

    def node_files(self) -> Path:
        """The files that kind puts into a node, in its Go module."""
        module = ["go", "-C", str(MODULES / "kind"), "mod", "download", "-json", "sigs.k8s.io/kind"]
        return Path(json.loads(ask(module, tools.with_go()))["Dir"]) / "images" / "base" / "files"

    @property
    def version(self) -> str:
        """Of Kubernetes, like ``v1.34.4``."""
        return ask([str(self.kubernetes / "kubeadm"), "version", "-o", "short"]).strip()

    def command(self, name: str) -> Path:
        """The file of a built command."""
        return (self.dns if name in ("coredns", "pause") else self.kubernetes) / name


def ensure() -> NodeImage:
    """The node image, from the cache or made now: about a minute after everything it is made of.

    Raises:
        StepError: a step failed.
    """
    sources, system = Sources.ensure(), rootfs.ensure()
    code = [path.read_bytes() for path in sorted(HERE.glob("*")) if path.stem in DECIDE]
    names = (sources.kubernetes.name, sources.dns.name, sources.kind.name, system.parent.name)
    made_from = cache.key(*names, *code)
    tag = f"speechpipe.dev/kind-node:{sources.version}-{made_from}"
    folder = cache.kept("kind-node", made_from, lambda place: _make(place, sources, system, tag))
    return NodeImage(folder / NAME, tag)


DECIDE = ("archive", "control_plane", "node_image", "node-setup", "rootfs")
"""The files of this folder that decide what is in the image."""


def _make(place: Path, sources: Sources, system: Path, tag: str) -> None:
    log = cache.root() / "kind-node.log"
    work = place / "work"
    work.mkdir()
    root = work / "root"
    with step("the node image"):
        rootfs.unpacked(system, root)
        (root / "kind" / "images").mkdir(parents=True)
        files = sources.node_files()
        _add_control_plane(root, sources, files, work)
        for path in filter(Path.is_file, files.rglob("*")):  # read-only in the module cache
            archive.copy_into(root, path, str(path.relative_to(files)), 0o644)
        for name in COMMANDS:
            archive.copy_into(root, sources.command(name), f"usr/bin/{name}")
        (root / "kind" / "version").write_text(sources.version)
        (root / "kind" / "manifests").mkdir()
        (root / "kind" / "manifests" / "default-storage.yaml").write_text(STORAGE_CLASS)
        with (HERE / "node-setup.sh").open("rb") as script:
            run(rootfs.isolated("chroot", str(root), "sh", "-s"), log, stdin=script)
        archive.write(archive.Image([tag], root, CONFIG, rootfs.MOUNTED), place / NAME)
    shutil.rmtree(work)


def _add_control_plane(root: Path, sources: Sources, files: Path, work: Path) -> None:
    settings = (files / "etc" / "containerd" / "config.toml").read_text()
    for part in control_plane.wanted(sources.command("kubeadm"), sources.version, settings):
        folder = work / part.command
        folder.mkdir()
        control_plane.write(part, sources.command(part.command), root, folder, root / "kind" / "images")
        shutil.rmtree(folder)
