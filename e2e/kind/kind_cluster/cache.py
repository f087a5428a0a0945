"""What is expensive to make and kept between runs: folders in the user's cache, each whole or not there."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from kind_cluster.steps import say

SUMS = "SHA256SUMS.json"
KEEP = 2
"""Folders of one kind that stay when another is made: the newest, and one to go back to."""


def root() -> Path:
    """``$XDG_CACHE_HOME/speechpipe``, by default ``~/.cache/speechpipe``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "speechpipe"


def key(*inputs: str | bytes) -> str:
    """A short hash over everything that decides what is made."""
    digest = hashlib.sha256()
    for part in inputs:
        digest.update(hashlib.sha256(part.encode() if isinstance(part, str) else part).digest())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(path: Path, why: str) -> Iterator[None]:
    """Hold a lock file; the kernel lets go of it when the process ends, however it ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process {why}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def kept(kind: str, made_from: str, make: Callable[[Path], None]) -> Path:
    """The folder ``KIND-KEY`` of the cache, made where it is missing or damaged.

    Args:
        kind: first part of the name.
        made_from: key over what decides the content (see `key`).
        make: fills an empty folder with files. What it raises goes through, and nothing is kept then.
    """
    folder = root() / f"{kind}-{made_from}"
    with locked(root() / f".{kind}.lock", f"makes {kind}"):
        if whole(folder):
            return folder
        for left in (folder, *root().glob(f".making-{kind}-*")):  # damaged, or by a run that was killed
            shutil.rmtree(left, ignore_errors=True)
        place = Path(tempfile.mkdtemp(prefix=f".making-{kind}-", dir=root()))
        try:
            make(place)
            sums = {path.name: digest_of(path) for path in sorted(place.iterdir())}
            (place / SUMS).write_text(json.dumps(sums, indent=2) + "\n")
            place.rename(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
        for old in _by_age(kind)[KEEP:]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def whole(folder: Path) -> bool:
    """Whether every file of a kept folder is what was made."""
    try:
        sums: dict[str, str] = json.loads((folder / SUMS).read_text())
        return all(digest_of(folder / name) == digest for name, digest in sums.items())
    except (FileNotFoundError, ValueError):
        return False


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_age(kind: str) -> list[Path]:
    hexadecimal = "[0-9a-f]" * 16
    return sorted(root().glob(f"{kind}-{hexadecimal}"), key=lambda path: path.stat().st_mtime, reverse=True)
