"""What `kubernetes.py` can build: commands in groups, each pinned by Go modules below e2e/kubernetes."""

import hashlib
import os
import platform
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import go_build

MODULES = Path(__file__).resolve().parents[1] / "e2e" / "kubernetes"


class RecipeError(RuntimeError):
    """A go.mod does not say what is meant; the message says which."""


@dataclass(frozen=True, slots=True)
class Command:
    """A main package, and the folder below ``e2e/kubernetes`` whose go.mod pins it."""

    package: str
    module: str


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that are kept in one folder, apart from others: a change to another group invalidates none of them."""

    name: str
    pin: str
    """The Go module whose version is the group's."""
    commands: Mapping[str, Command]
    stamp: Callable[[str], Mapping[str, str]] = lambda version: {}
    """Variables that the linker sets, for a version: commands whose version is not in their sources."""

    @property
    def modules(self) -> list[str]:
        """Their folders below ``e2e/kubernetes``."""
        return sorted({command.module for command in self.commands.values()})

    def flags(self, version: str) -> str:
        """Linker flags: no symbols, and the stamps."""
        return " ".join(["-s -w", *(f"-X {name}={value}" for name, value in self.stamp(version).items())])


def _kubernetes_stamp(version: str) -> dict[str, str]:
    """The version that clients ask for, without which it is v0.0.0 and they misbehave."""
    major, minor, _ = version.removeprefix("v").split(".")
    says = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return {f"k8s.io/component-base/version.{name}": value for name, value in says.items()}


def _helm_stamp(version: str) -> dict[str, str]:
    """Helm's own version, and the Kubernetes that `helm template` and `helm lint` take for the cluster's."""
    kubernetes = {"k8sVersionMajor": "1", "k8sVersionMinor": "34"}
    return {"helm.sh/helm/v3/internal/version.version": version} | {
        f"helm.sh/helm/v3/pkg/{package}.{name}": value
        for package in ("lint/rules", "chartutil")
        for name, value in kubernetes.items()
    }


_OF_KUBERNETES = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kubeadm",
    "kube-proxy",
    "kubectl",
)
KUBERNETES = Group(
    "kubernetes",
    "k8s.io/kubernetes",
    {"etcd": Command(".", "etcd")} | {name: Command(f"k8s.io/kubernetes/cmd/{name}", ".") for name in _OF_KUBERNETES},
    _kubernetes_stamp,
)
GROUPS = (
    KUBERNETES,
    Group("helm", "helm.sh/helm/v3", {"helm": Command("helm.sh/helm/v3/cmd/helm", "helm")}, _helm_stamp),
    Group("kind", "sigs.k8s.io/kind", {"kind": Command("sigs.k8s.io/kind", "kind")}),
    Group("coredns", "github.com/coredns/coredns", {name: Command(".", name) for name in ("coredns", "pause")}),
)
COMMANDS = tuple(name for group in GROUPS for name in group.commands)


def by_group(commands: Sequence[str]) -> Iterator[tuple[Group, list[str]]]:
    """The groups that the commands are of, each with its own."""
    for group in GROUPS:
        names = [name for name in commands if name in group.commands]
        if names:
            yield group, names


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is built, read from the go.mod files: the version, the oldest Go that builds it, a key over all inputs."""

    group: Group
    version: str
    go: tuple[int, ...]
    key: str

    @classmethod
    def read(cls, group: Group, modules: Path = MODULES) -> "Recipe":
        """Read it.

        Raises:
            RecipeError: no go.mod says which version is meant.
        """
        inputs = sorted(path for name in group.modules for path in _inputs(modules / name))
        texts = {path: path.read_text() for path in inputs}
        wanted = re.compile(rf"{re.escape(group.pin)} (v\d+\.\d+\.\d+)(?: // indirect)?$", re.MULTILINE)
        found = next(filter(None, (wanted.search(text) for text in texts.values())), None)
        if not found:
            raise RecipeError(f"no go.mod of {group.name} in {modules} requires {group.pin} vX.Y.Z")
        digest = hashlib.sha256("\0".join((group.flags(found[1]), platform.system(), platform.machine())).encode())
        for path, text in texts.items():
            digest.update(f"\0{path.relative_to(modules)}\0{text}".encode())
        goes = [re.search(r"^go (\S+)$", text, re.MULTILINE) for path, text in texts.items() if path.name == "go.mod"]
        oldest = max((go_build.numbers(go[1]) for go in goes if go), default=())
        return cls(group, found[1], oldest, digest.hexdigest()[:16])

    @property
    def title(self) -> str:
        """For messages: `Kubernetes v1.34.4`."""
        return f"{self.group.name.capitalize()} {self.version}"

    @property
    def folder(self) -> Path:
        """Where the commands are kept."""
        base = os.environ.get("XDG_CACHE_HOME")
        cache = Path(base) if base else Path.home() / ".cache"
        return cache / "speechpipe" / f"{self.group.name}-{self.version}-{self.key}"


def _inputs(module: Path) -> Iterator[Path]:
    return (module / name for name in ("go.mod", "go.sum", "main.go") if (module / name).is_file())
