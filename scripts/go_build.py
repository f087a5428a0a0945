"""Runs the Go compiler for `kubernetes.py`: is it new enough, and how far is it."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROGRESS_SECONDS = 20.0


class GoError(RuntimeError):
    """Go is missing, too old, or could not build; the message says which."""


def numbers(version: str) -> tuple[int, ...]:
    """``1.24.0`` or ``go1.24rc1`` as numbers to compare: (1, 24, 0) and (1, 24)."""
    found = re.match(r"(?:go)?(\d+(?:\.\d+)*)", version)
    return tuple(int(part) for part in found[1].split(".")) if found else ()


def check(oldest: tuple[int, ...]) -> None:
    """Refuse to build with no Go, or one older than ``oldest``.

    Raises:
        GoError: says which version is needed.
    """
    need = ".".join(map(str, oldest))
    go = shutil.which("go")
    if not go:
        raise GoError(f"there is no Go: install Go {need} or newer (go.dev/dl)")
    # Not in a module: there, an old Go would go and fetch a newer one.
    done = subprocess.run([go, "env", "GOVERSION"], cwd="/", capture_output=True, text=True, check=False)
    if numbers(done.stdout.strip()) < oldest:
        raise GoError(f"{done.stdout.strip() or go} is too old: install Go {need} or newer (go.dev/dl)")


def build(module: Path, packages: Sequence[str], flags: str, place: Path) -> None:
    """Compile main packages into the folder ``place``, with a line of progress every 20 s; a file ``log`` stays there.

    Args:
        module: folder of the go.mod.
        packages: import paths of the main packages, or ``.``.
        flags: for the linker.
        place: an existing folder.

    Raises:
        GoError: the build failed; the message ends with what Go said.
    """
    began = time.monotonic()
    command = ["go", "build", "-v", "-trimpath", "-ldflags", flags, "-o", f"{place}/", *packages]
    log = place / "log"
    with log.open("wb") as output:
        env = os.environ | {"CGO_ENABLED": "0"}
        process = subprocess.Popen(command, cwd=module, env=env, stdout=output, stderr=output)
    try:
        while process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(PROGRESS_SECONDS)
                break
            done = len(_lines(log))
            say(f"  {time.monotonic() - began:.0f} s, {done} packages fetched or compiled")
    finally:
        process.terminate()
        process.wait()
    if process.returncode:
        tail = "\n".join(_lines(log)[-20:])
        raise GoError(f"go build failed in {module} (status {process.returncode}):\n{tail}")
    say(f"built in {time.monotonic() - began:.0f} s")


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines()


def say(line: str) -> None:
    """Progress goes to stderr: stdout is for the folder."""
    print(line, file=sys.stderr, flush=True)
