"""Settings of the whole machine's kernel that nodes change, and that are put back when the cluster goes.

A kubelet insists on the first three (as on any node), and each node has dozens of inotify instances, of which many a
machine gives a user 128.
"""

from collections.abc import Mapping
from pathlib import Path

KUBELETS = ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
WATCHES = "fs/inotify/max_user_instances"
ENOUGH_WATCHES = 1024
SYSCTLS = Path("/proc/sys")


def settings(root: Path = SYSCTLS) -> dict[str, str]:
    """What they are now."""
    return {name: (root / name).read_text().strip() for name in (*KUBELETS, WATCHES) if (root / name).exists()}


def make_room(root: Path = SYSCTLS) -> None:
    """Let there be inotify instances for three nodes, where there are fewer."""
    if int((root / WATCHES).read_text()) < ENOUGH_WATCHES:
        (root / WATCHES).write_text(str(ENOUGH_WATCHES))


def put_back(before: Mapping[str, str], root: Path = SYSCTLS) -> None:
    """Make them what they were; what has not changed is not touched."""
    for name, value in before.items():
        if (root / name).read_text().strip() != value:
            (root / name).write_text(value)
