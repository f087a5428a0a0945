"""What images are built upon: what the caller names, else the official image, else a Debian made here."""

import hashlib
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final

from image_list import ROOT, ImageError

DEBIAN: Final = "debian"
"""BASE=debian asks for the Debian made here, whether there is a registry or not."""

OFFICIAL: Final = ""
"""The base that each Containerfile names itself."""

PATIENCE_SECONDS: Final = 8

_REGISTRY: Final = "registry-1.docker.io"
"""Where docker.io keeps its images."""

RECIPE: Final = (
    "mmdebstrap",
    "--quiet",
    "--variant=minbase",
    "--include=usr-is-merged,python3,ca-certificates",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",  # else usrmerge comes, and Perl with it: 50 MB
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    '--customize-hook=rm -f "$1/etc/resolv.conf" "$1/etc/hostname"',  # of the machine that builds
    "bookworm",
)
"""Debian 12 and its updates, from the mirror that mmdebstrap takes by itself; a minute, 125 MB."""


def answers(address: str, patience: float) -> bool:
    """Whether a registry's API answers at ``address`` within ``patience`` seconds, whatever may hang."""
    known = threading.Event()
    found = False

    def ask() -> None:
        nonlocal found
        try:
            urllib.request.urlopen(f"{address}/v2/", timeout=patience).close()  # noqa: S310 - https, or a test's own
            found = True
        except urllib.error.HTTPError as error:
            # It wants a token, as a registry does; a proxy that forbids says something else.
            found = error.code == HTTPStatus.UNAUTHORIZED and "docker-distribution-api-version" in error.headers
        except (OSError, ValueError):
            found = False
        known.set()

    # A name that resolves slowly can't be interrupted: such a thread is left behind.
    threading.Thread(target=ask, daemon=True).start()
    return known.wait(patience) and found


def choose(wish: str, say: Callable[[str], None]) -> str:
    """``OFFICIAL``, ``DEBIAN``, or the reference that ``wish`` names; asks no registry where it names something."""
    if wish:
        return wish
    if answers(f"https://{_REGISTRY}", PATIENCE_SECONDS):
        return OFFICIAL
    say(f"no answer from {_REGISTRY}: building upon a Debian made here (BASE=... names another base)")
    return DEBIAN


def debian_key() -> str:
    """Names the Debian made here by its recipe."""
    return hashlib.sha256("\0".join(RECIPE).encode()).hexdigest()[:16]


def debian(cache: Path, say: Callable[[str], None]) -> Path:
    """The folder that images/debian/Containerfile takes ``debian.tar`` from; made first when need be.

    Raises:
        ImageError: mmdebstrap is missing and can't be installed, or failed.
    """
    folder = cache / f"debian-{debian_key()}"
    finished = folder / "debian.tar"
    if finished.exists():
        return folder
    install("requirements/apt-base.txt")
    say("unpacking a Debian to build upon (about a minute)")
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / "part.tar"
    done = subprocess.run([*RECIPE, str(part)], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        last = "\n".join(done.stderr.strip().splitlines()[-8:])
        raise ImageError(f"mmdebstrap failed (exit status {done.returncode}); name a base image with BASE=...:\n{last}")
    part.rename(finished)
    return folder


def install(packages: str) -> None:
    """Install the Debian packages of a list, as root.

    Raises:
        ImageError: they are missing still; scripts/setup.sh has said which.
    """
    done = subprocess.run([str(ROOT / "scripts" / "setup.sh"), "system", packages, "make images"], check=False)
    if done.returncode != 0:
        raise ImageError(f"packages of {packages} are missing, see above")
