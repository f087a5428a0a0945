"""How much of the machine is ours."""

import os
from pathlib import Path
from typing import Final

_QUOTA: Final = Path("/sys/fs/cgroup/cpu.max")

_MOST_THREADS: Final = 4


def model_threads(asked: int) -> int:
    """Threads of a model on a CPU: as many as were asked for; for 0, the cores there are, four at most."""
    return asked or min(_MOST_THREADS, cores())


def cores(quota: Path = _QUOTA) -> int:
    """Cores that this process may use: those that it may run on, and no more than its container's limit pays for.

    Args:
        quota: ``cpu.max`` of cgroup v2: microseconds of CPU in each period, or ``max``.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        share, period = quota.read_text().split()
    except (OSError, ValueError):
        return allowed
    return allowed if share == "max" else max(1, min(allowed, round(int(share) / int(period))))
