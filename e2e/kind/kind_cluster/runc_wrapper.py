"""Docker's runtime on a machine that lacks some capabilities: takes those out of what is asked of runc.

Docker gives a privileged container every capability it knows of, and runc then fails with "unable to apply caps" where
this machine has fewer (CAP_SYS_RESOURCE, in many a virtual machine). Called with runc's own arguments.
"""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NAMES = (
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
)
"""By number, from 0 (capabilities(7))."""


def held(status: str) -> set[str]:
    """The capabilities that a ``/proc/PID/status`` lets its process' children have."""
    (line,) = (line for line in status.splitlines() if line.startswith("CapBnd:"))
    bits = int(line.split()[1], 16)
    return {f"CAP_{name}" for number, name in enumerate(NAMES) if bits >> number & 1}


def reduced(spec: dict[str, Any], allowed: set[str]) -> dict[str, Any]:
    """A bundle's ``config.json``, or the process of an exec, with no other capabilities than the allowed."""
    process = spec.get("process", spec)
    for caps in (process.get("capabilities") or {}).values():
        caps[:] = [cap for cap in caps if cap in allowed]
    return spec


def spec_file(arguments: Sequence[str]) -> Path | None:
    """Where runc will read what to run, if these arguments start something."""
    for flags, name in ((("--process", "-p"), ""), (("--bundle", "-b"), "config.json")):
        for flag in flags:
            if flag in arguments[:-1]:
                return Path(arguments[list(arguments).index(flag) + 1], name)
    return None


def main() -> None:
    """Rewrite the file that runc is about to read, and become runc."""
    arguments = sys.argv[1:]
    path = spec_file(arguments)
    if path and path.exists():
        spec = reduced(json.loads(path.read_text()), held(Path("/proc/self/status").read_text()))
        path.write_text(json.dumps(spec))
    runc = shutil.which("runc") or "/usr/sbin/runc"
    os.execv(runc, [runc, *arguments])


if __name__ == "__main__":
    main()
