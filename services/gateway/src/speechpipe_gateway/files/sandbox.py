"""What a decoder may not do, whatever stands in the file that it reads; called in its own process.

After :func:`confine` the process has no way to the network and none to files: no file descriptor can be made any more,
in Python or below it, since the limit on their numbers is zero and cannot be raised again without a privilege that
pods of Pod Security ``restricted`` do not have. That, and the limits on memory and time, hold everywhere. Where the
kernel lets an unprivileged process have namespaces of its own, it has an empty network besides.
"""

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Any, Final

MEMORY_BYTES: Final = 256 * 1024 * 1024
"""Address space beyond what the decoder's code itself takes."""

CPU_SECONDS: Final = 300

NICENESS: Final = 10
"""People who speak now go before files."""

_PR_SET_NO_NEW_PRIVS: Final = 38
_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000
_REFUSED: Final = ("socket.", "open", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "subprocess.", "ctypes.")


def confine(niceness: int = NICENESS) -> None:
    """Give up what decoding does not need; everything that it does need must be imported and open by now."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    os.nice(niceness)
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # many kernels and container runtimes refuse this
    _limit(resource.RLIMIT_AS, used + MEMORY_BYTES)
    _limit(resource.RLIMIT_CPU, CPU_SECONDS)
    for what in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC, resource.RLIMIT_NOFILE):
        _limit(what, 0)
    sys.addaudithook(_refuse)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (allowed, allowed))


def _refuse(event: str, _arguments: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"a decoder may not do this: {event}")
