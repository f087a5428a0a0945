"""An image of Busybox alone, for pods that look after a node: `nodes.py` runs commands on nodes through them."""

import tempfile
from pathlib import Path

from kind_cluster import archive, cache, rootfs
from kind_cluster.steps import ask

TAG = "speechpipe.dev/node-tools:local"
BUSYBOX = "bin/busybox"
APPLETS = ("sh", "cat", "httpd", "nc", "nsenter", "nslookup", "sleep", "wget")


def ensure() -> Path:
    """The image's archive, from the cache or made now of the nodes' root file system."""
    tar = rootfs.ensure()
    return (
        cache.kept("kind-node-tools", cache.key(tar.parent.name, TAG, *APPLETS), lambda place: _make(place, tar))
        / "image.tar"
    )


def _make(place: Path, tar: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        ask(["tar", "--extract", f"--file={tar}", f"--directory={root}", f"./usr/{BUSYBOX}"])
        (root / "bin").symlink_to("usr/bin")
        for applet in APPLETS:
            (root / "bin" / applet).symlink_to("busybox")
        archive.write(
            archive.Image([TAG], root, {"Env": ["PATH=/bin"], "Cmd": ["sleep", "infinity"]}), place / "image.tar"
        )
