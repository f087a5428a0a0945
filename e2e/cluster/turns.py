"""Who has the nodes: tests that need them whole, all together, or one that takes them away, alone.

Several runs of pytest may work on one cluster side by side; the kernel frees the locks of one that is killed.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kubectl import ROOT
from progress import say

MARK = "alone"
"""Marks tests that take nodes away from everybody."""
FOLDER = ROOT / "build" / "e2e"
SAID_SECONDS = 2.0


@contextmanager
def shared() -> Iterator[None]:
    """Nobody takes nodes away inside the block."""
    with ExitStack() as nodes:
        with _held("door", fcntl.LOCK_EX):  # who waits for the nodes to be free keeps it shut
            nodes.enter_context(_held("nodes", fcntl.LOCK_SH))
        yield


@contextmanager
def alone() -> Iterator[None]:
    """Nobody else needs the nodes inside the block, and nobody begins to: who comes waits at the door."""
    with _held("door", fcntl.LOCK_EX), _held("nodes", fcntl.LOCK_EX):
        yield


@contextmanager
def _held(what: str, how: int) -> Iterator[None]:
    FOLDER.mkdir(parents=True, exist_ok=True)
    with lock_file(what).open("w") as file:
        began = time.monotonic()
        fcntl.flock(file, how)
        if (waited := time.monotonic() - began) > SAID_SECONDS:
            say(f"  waited {waited:.0f} s for tests beside this one ({what})")
        yield


def lock_file(what: str) -> Path:
    """One for each cluster."""
    cluster = hashlib.sha256(os.environ.get("KUBECONFIG", "").encode()).hexdigest()[:8]
    return FOLDER / f"{what}-{cluster}.lock"
