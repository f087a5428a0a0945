"""Ends the children of a runner that was killed.

A runner that dies by SIGKILL can't stop its children, and the kernel's parent-death signal reaches no grandchildren
and exists on Linux only. So a small process holds the reading end of a pipe: it learns each child's process group, and
when the pipe ends, whatever groups are left are killed. This file is run as a script and imports the standard library
only.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path


class Guard:
    """The runner's side: owns the guard process, and starts another should it be killed. Use it from one thread."""

    def __init__(self) -> None:
        self._groups: set[int] = set()
        self._process = self._started()

    @staticmethod
    def _started() -> subprocess.Popen[bytes]:
        # -I and -S: nothing of the user's environment or site-packages is loaded, which keeps it small and quick.
        return subprocess.Popen(  # noqa: S603 - our own file
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the guard."""
        return self._process.pid

    def watch(self, group: int) -> None:
        """Have process group ``group`` killed should this process die."""
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Process group ``group`` has ended."""
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Kill the groups that are still watched, and end the guard."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _tell(self, line: str) -> None:
        try:
            self._write(line)
        except BrokenPipeError:
            self._process.wait()
            self._process = self._started()
            for group in self._groups:
                self._write(f"+{group}\n")

    def _write(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line.encode())


def kill_group(group: int) -> None:
    """SIGKILL every process of the group; one that has ended already is fine."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        return


def main() -> None:
    """Read ``+group`` and ``-group`` lines until the runner is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin.buffer:
        group = int(line[1:])
        if line.startswith(b"+"):
            groups.add(group)
        else:
            groups.discard(group)
    for group in groups:
        kill_group(group)


if __name__ == "__main__":
    main()
