"""A Debian root file system with what a node needs, made by debootstrap and kept."""

import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path

from kind_cluster import archive, cache
from kind_cluster.steps import ask, run, step

SUITE = "bookworm"
PACKAGES = (
    "busybox-static",
    "ca-certificates",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "curl",
    "dbus",
    "ethtool",
    "hostname",
    "iproute2",
    "iptables",
    "jq",
    "kmod",
    "nftables",
    "procps",
    "runc",
    "systemd",
    "systemd-sysv",
)
OPTIONS = ("--variant=minbase",)
NAME = "rootfs.tar"
LEFT_OUT = ("./var/cache/apt/archives/*.deb", "./var/lib/apt/lists/*", "./usr/share/doc/*", "./usr/share/man/*")
MOUNTED = ("./proc/*", "./sys/*", "./dev/*")
MIRROR = "http://deb.debian.org/debian"
"""Debian's own, where apt does not say which mirror this machine uses."""


def ensure() -> Path:
    """The root file system's tar, from the cache or made now: a minute and a half.

    Raises:
        StepError: debootstrap failed.
    """
    made_from = cache.key(SUITE, *PACKAGES, *OPTIONS, *LEFT_OUT, *MOUNTED)
    return cache.kept("kind-rootfs", made_from, _make) / NAME


def _make(place: Path) -> None:
    root = place / "root"
    log = cache.root() / "kind-rootfs.log"
    options = (*OPTIONS, f"--include={','.join(PACKAGES)}")
    with step("Debian's packages for the nodes"):
        run(isolated("debootstrap", *options, SUITE, str(root), mirror()), log)
        archive.pack(root, place / NAME, *LEFT_OUT, *MOUNTED)
    shutil.rmtree(root)


def isolated(*command: str) -> list[str]:
    """The command in mount and process namespaces of its own: its mounts and children never outlive it."""
    return ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *command]


def mirror() -> str:
    """The mirror that apt uses on this machine for the suite, or Debian's."""
    if not shutil.which("apt-get"):
        return MIRROR
    sites = ask(["apt-get", "indextargets", "--format", "$(RELEASE) $(SITE)", "Created-By: Packages"])
    return chosen_mirror(sites.splitlines())


def chosen_mirror(lines: Sequence[str]) -> str:
    """The first site of the suite among lines of ``RELEASE SITE``, if debootstrap can use it."""
    for line in lines:
        release, _, site = line.partition(" ")
        if release == SUITE and site.startswith(("http://", "https://", "file:", "copy:")):
            return site
    return MIRROR


def unpacked(tar: Path, root: Path) -> None:
    """Unpack a root file system into a new folder."""
    root.mkdir()
    run(
        ["tar", "--extract", "--numeric-owner", "--xattrs", f"--file={tar}", f"--directory={root}"], root.parent / "log"
    )


def merged(root: Path) -> None:
    """Make a folder a root file system with nothing in it, whose / and /usr are one, and which has a /tmp and /run."""
    root.mkdir(exist_ok=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("etc", "run"):
        (root / name).mkdir()
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)


def closure(root: Path, programs: Sequence[str]) -> list[str]:
    """Paths, from ``root``, of the shared libraries that programs and plugins below it need, their loader too."""
    script = "for program; do ldd $program 2>/dev/null || true; done"
    listing = ask(["chroot", str(root), "sh", "-c", script, "sh", *programs])
    return sorted({word for word in shlex.split(listing.replace("'", "")) if word.startswith("/")})
