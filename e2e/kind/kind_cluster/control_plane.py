"""Images of the control plane, made of the commands that we built: no registry has to be asked for them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kind_cluster import archive
from kind_cluster.rootfs import closure, merged
from kind_cluster.steps import ask

PATH = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
FIREWALL = ("/usr/sbin/xtables-nft-multi", "/usr/sbin/conntrack", "/usr/sbin/nft")
"""What kube-proxy runs; its iptables are names of the first."""
IPTABLES = [f"{family}{suffix}" for family in ("iptables", "ip6tables") for suffix in ("", "-save", "-restore")]


@dataclass(frozen=True, slots=True)
class Part:
    """A command of the control plane, and the names that kubeadm and containerd know its image by."""

    command: str
    tags: Sequence[str]


def wanted(kubeadm: Path, version: str, containerd_config: str) -> list[Part]:
    """What a node needs: kubeadm's list, and the sandbox that containerd is set to.

    Raises:
        StepError: kubeadm failed.
        ValueError: containerd's settings name no sandbox image.
    """
    listing = ask([str(kubeadm), "config", "images", "list", "--kubernetes-version", version])
    sandbox = re.search(r'^\s*sandbox_image = "(\S+)"', containerd_config, re.MULTILINE)
    if not sandbox:
        raise ValueError("kind's containerd/config.toml names no sandbox_image")
    return parts(listing.split(), sandbox[1])


def parts(images: Sequence[str], sandbox: str) -> list[Part]:
    """One part for each command, by the last word of its images' names, with every tag."""
    tags: dict[str, list[str]] = {}
    for image in dict.fromkeys((*images, sandbox)):
        tags.setdefault(image.rpartition("/")[2].partition(":")[0], []).append(image)
    return [Part(command, names) for command, names in tags.items()]


def write(part: Part, binary: Path, system: Path, work: Path, place: Path) -> None:
    """Write a part's image as an archive.

    Args:
        part: which.
        binary: the built command.
        system: a Debian root file system; kube-proxy's programs are taken from it.
        work: an empty folder that may be written to.
        place: folder of the archive.
    """
    merged(work)
    archive.copy_into(work, binary, f"usr/local/bin/{part.command}")
    (work / "etc" / "passwd").write_text("root:x:0:0::/:\n")
    if part.command == "kube-proxy":
        _add_firewall(system, work)
    archive.write(archive.Image(part.tags, work, _config(part.command)), place / f"{part.command}.tar")


def _config(command: str) -> Mapping[str, Sequence[str]]:
    # kubeadm's manifests name the command themselves, but for these.
    entry = {"Entrypoint": [f"/usr/local/bin/{command}"]} if command in ("coredns", "pause") else {}
    return {"Env": [PATH], **entry}


def _add_firewall(system: Path, work: Path) -> None:
    """iptables, conntrack and nft with every library: one that is missing makes Services fail in silence."""
    plugins = [f"/{path.relative_to(system)}" for path in _extensions(system)]
    for path in (*FIREWALL, *plugins, *closure(system, (*FIREWALL, *plugins))):
        archive.copy_into(work, system / path.lstrip("/"), path)
    for name in IPTABLES:
        (work / "usr" / "sbin" / name).symlink_to("xtables-nft-multi")


def _extensions(system: Path) -> Iterator[Path]:
    return (path for path in sorted((system / "usr" / "lib").glob("*/xtables/*.so")) if path.is_file())
