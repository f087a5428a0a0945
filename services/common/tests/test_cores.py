"""How many cores are ours, by affinity and by a container's limit."""

import os
from pathlib import Path

import pytest

from speechpipe_common.cores import cores

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", ALLOWED),
        ("100000 100000", 1),
        ("50000 100000", 1),
        ("150000 100000", min(2, ALLOWED)),
        ("6400000 100000", ALLOWED),
        ("", ALLOWED),
        ("nonsense", ALLOWED),
    ],
)
def test_a_limit_counts(tmp_path: Path, limit: str, expected: int) -> None:
    """A quota of CPU time is a number of cores, one at least; what is no quota changes nothing."""
    file = tmp_path / "cpu.max"
    file.write_text(limit + "\n")
    assert cores(file) == expected


def test_no_cgroup(tmp_path: Path) -> None:
    """Where there is no such file, all cores that the process may run on."""
    assert cores(tmp_path / "missing") == ALLOWED
