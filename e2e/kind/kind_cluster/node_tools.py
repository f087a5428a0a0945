"""An image with a shell and a packet filter, for the pods by which the suite does what only a node can."""

import shutil
from pathlib import Path

from kind_cluster import archive, cache, rootfs
from kind_cluster.cluster import Ground
from kind_cluster.steps import step

TAG = "speechpipe.dev/node-tools:local"
NAME = "image.tar"
PROGRAMS = ("/usr/bin/busybox", "/usr/sbin/nft", "/usr/sbin/conntrack", "/usr/bin/ip", "/usr/bin/nsenter")
APPLETS = (
    "cat",
    "chmod",
    "cp",
    "grep",
    "httpd",
    "kill",
    "ls",
    "mkdir",
    "mv",
    "nc",
    "nslookup",
    "ps",
    "rm",
    "sh",
    "sleep",
    "tail",
    "touch",
    "wget",
)
CONFIG = {"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "Cmd": ["sleep", "infinity"]}
CONTAINERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends busybox-static conntrack iproute2 nftables \\
 && rm -rf /var/lib/apt/lists/*
"""
"""The same where there is a registry."""


def from_rootfs() -> Path:
    """The image's archive, made of the files of the nodes' root file system."""
    tar = rootfs.ensure()
    made_from = cache.key(tar.parent.name, TAG, *PROGRAMS, *APPLETS)
    return cache.kept("kind-node-tools", made_from, lambda place: _make(place, tar)) / NAME


def from_registry(ground: Ground) -> Path:
    """The image's archive, made by the machine's Docker of Debian's official image."""
    return (
        cache.kept("kind-node-tools-docker", cache.key(TAG, CONTAINERFILE), lambda place: _build(place, ground)) / NAME
    )


def _make(place: Path, tar: Path) -> None:
    system, root = place / "system", place / "root"
    with step("the image of node tools"):
        rootfs.unpacked(tar, system)
        rootfs.merged(root)
        for path in (*PROGRAMS, *rootfs.closure(system, PROGRAMS)):
            archive.copy_into(root, system / path.lstrip("/"), path)
        for applet in APPLETS:
            (root / "usr" / "bin" / applet).symlink_to("busybox")
        archive.write(archive.Image([TAG], root, CONFIG), place / NAME)
    shutil.rmtree(system)
    shutil.rmtree(root)
    (place / "log").unlink()


def _build(place: Path, ground: Ground) -> None:
    with step("the image of node tools"):
        (place / "Containerfile").write_text(CONTAINERFILE)
        ground.run("docker", "build", f"--tag={TAG}", f"--file={place / 'Containerfile'}", str(place), log="node-tools")
        ground.run("docker", "save", f"--output={place / NAME}", TAG, log="node-tools")
