"""Processes of an earlier run, told from others that got the same number since."""

import contextlib
import os
import signal
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from kind_cluster.steps import wait_until

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
STARTED = 19
"""Index of a process' start, in ticks since boot, among the fields after its name (proc(5), field 22)."""


class Owned(BaseModel):
    """A process that we started: number, start and boot together are never given twice."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str
    boot: str

    @classmethod
    def of(cls, pid: int) -> "Owned":
        """Take down a process that is running.

        Raises:
            ProcessLookupError: there is none of that number.
        """
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid=pid, started=started, boot=BOOT_ID.read_text().strip())

    def alive(self) -> bool:
        """Whether that same process still runs; a zombie does not."""
        return self.boot == BOOT_ID.read_text().strip() and _started(self.pid) == self.started

    def end_namespace(self, seconds: float = 120) -> None:
        """End what this process, an `unshare --pid --fork`, has started, and wait until nothing of it is left.

        Its child is the first process of the namespace. With that the kernel kills every other one in it, and our
        process ends once the last is gone.

        Raises:
            StepError: it is still there after ``seconds``.
        """
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # each may end by itself at any time
            if self.alive():
                children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
                for pid in children or [str(self.pid)]:
                    os.kill(int(pid), signal.SIGKILL)
        wait_until(f"process {self.pid} to end", seconds, lambda: not self.alive(), every=0.05)


def _started(pid: int) -> str | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[STARTED]
