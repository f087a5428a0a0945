"""Building with what the machine has: Docker, or buildah, which needs no daemon."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Protocol

from image_base import install
from image_list import ROOT, ImageError

DAEMON_SECONDS: Final = 10
KEPT_STAGE: Final = "dependencies"
"""Stage of a Containerfile that takes long and seldom changes."""
_AUTHORITIES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT")
_USUAL_AUTHORITIES: Final = Path("/etc/ssl/certs/ca-certificates.crt")
_INSIDE: Final = "/run/secrets/ca.crt"
_OF_THIS_MACHINE: Final = frozenset(
    {"cert", "find-links", "cache-dir", "target", "prefix", "user", "require-virtualenv"}
)
"""Options of pip that name a place of this machine, or say how it installs here."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be built: what a person calls it, the reference that it gets, context, Containerfile and arguments."""

    name: str
    reference: str
    containerfile: Path
    context: Path
    arguments: Mapping[str, str]

    def options(self) -> list[str]:
        """The same for every builder."""
        given = [f"--build-arg={name}={value}" for name, value in sorted(self.arguments.items())]
        return [f"--file={self.containerfile}", f"--tag={self.reference}", *given]


class Builder(Protocol):
    """Makes images, and writes them into archives as ``docker save`` does."""

    def has(self, reference: str) -> bool:
        """Whether it has an image of that name."""

    def build(self, order: Order, log: Path) -> None:
        """Build; its output goes to ``log``, the steps that take time to stderr as well.

        Raises:
            ImageError: it failed.
        """

    def save(self, reference: str, archive: Path) -> None:
        """Write the image into a new file.

        Raises:
            ImageError: it failed.
        """

    def tidy(self) -> None:
        """Forget what earlier versions of images consisted of."""


class Docker:
    """Docker Engine, by BuildKit."""

    def has(self, reference: str) -> bool:
        """See Builder."""
        return succeeds("docker", "image", "inspect", reference)

    def build(self, order: Order, log: Path) -> None:
        """See Builder."""
        with secrets() as options:
            command = ["docker", "build", "--progress=plain", *options, *order.options(), str(order.context)]
            logged(command, log, {"DOCKER_BUILDKIT": "1"})

    def save(self, reference: str, archive: Path) -> None:
        """See Builder."""
        checked("docker", "save", f"--output={archive}", reference)

    def tidy(self) -> None:
        """The daemon does so by itself."""


class Buildah:
    """Buildah with a store of its own below the cache, without a container runtime."""

    def __init__(self, store: Path) -> None:
        self._command = ["buildah", f"--root={store}/root", f"--runroot={store}/run"]
        # Copies of whole layers, slow and large, where no overlay can be mounted.
        works = succeeds(*self._command, "--storage-driver=overlay", "info")
        self._command.append(f"--storage-driver={'overlay' if works else 'vfs'}")

    def has(self, reference: str) -> bool:
        """See Builder."""
        return succeeds(*self._command, "inspect", "--type=image", reference)

    def build(self, order: Order, log: Path) -> None:
        """See Builder."""
        with secrets() as options:
            how = [*self._command, "build", "--isolation=chroot", "--layers", "--format=docker", *options]
            logged([*how, *order.options(), str(order.context)], log)
            if f" AS {KEPT_STAGE}\n" in order.containerfile.read_text():
                # Found at once, since it has just been built; a name keeps it from `tidy`.
                kept = replace(order, reference=f"localhost/speechpipe-{KEPT_STAGE}:{order.name}")
                checked(*how, f"--target={KEPT_STAGE}", *kept.options(), str(order.context))

    def save(self, reference: str, archive: Path) -> None:
        """See Builder."""
        checked(*self._command, "push", "--quiet", reference, f"docker-archive:{archive}:{reference}")

    def tidy(self) -> None:
        """See Builder."""
        checked(*self._command, "rmi", "--prune", "--force")


def find_builder(cache: Path, wish: str = "") -> Builder:
    """Docker where its daemon answers, else buildah, which is installed where that needs no question.

    Args:
        cache: Folder for what buildah keeps.
        wish: ``docker`` or ``buildah``; empty takes what is there.

    Raises:
        ImageError: ``wish`` is neither, or neither is to be had.
    """
    if wish not in ("", "docker", "buildah"):
        raise ImageError(f"BUILDER={wish} is unknown; there are docker and buildah")
    if wish == "docker" or (not wish and has_daemon()):
        return Docker()
    if shutil.which("buildah") is None:
        install("requirements/apt-images.txt")
    return Buildah(cache / "store")


def has_daemon() -> bool:
    """Whether a Docker daemon answers within ``DAEMON_SECONDS``."""
    if shutil.which("docker") is None:
        return False
    try:
        return succeeds("docker", "version", "--format={{.Server.Version}}", timeout=DAEMON_SECONDS)
    except subprocess.TimeoutExpired:
        return False


def pip_options(listing: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a pip inside a build is told of the user's own configuration: indexes, proxies, patience.

    Args:
        listing: What ``pip config list`` prints.
        environment: Where the authorities are looked for.
    """
    found: dict[str, str] = {}
    for line in listing.splitlines():
        name, _, value = line.partition("=")
        scope, _, option = name.strip(":").rpartition(".")
        if scope.strip(":") in ("global", "download", "install", "env", "env:") and option not in _OF_THIS_MACHINE:
            found[option] = value.strip("'\"")
    found.pop("config-file", None)
    return found | ({"cert": _INSIDE} if authorities(environment) else {})


def authorities(environment: Mapping[str, str]) -> Path | None:
    """The file of certificate authorities that this machine trusts: where it has some of its own, builds need them."""
    named = (Path(environment[name]) for name in _AUTHORITIES if environment.get(name))
    return next((path for path in (*named, _USUAL_AUTHORITIES) if path.is_file()), None)


@contextmanager
def secrets() -> Iterator[list[str]]:
    """Options that let a build use pip as it is configured here; what they show stays in no layer."""
    pip = (sys.executable, "-m", "pip", "config", "list")
    listing = subprocess.run(pip, capture_output=True, text=True, check=False).stdout
    with TemporaryDirectory() as folder:
        file = Path(folder) / "pip.conf"
        lines = [f"{name} = {value}" for name, value in sorted(pip_options(listing, os.environ).items())]
        file.write_text("\n".join(["[global]", *lines, ""]))
        trusted = authorities(os.environ)
        yield [f"--secret=id=pip.conf,src={file}", *([f"--secret=id=ca.crt,src={trusted}"] if trusted else [])]


def succeeds(*command: str, timeout: float | None = None) -> bool:
    """Whether a command exits 0; its output is nobody's."""
    quiet = subprocess.DEVNULL
    done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=timeout, check=False)
    return done.returncode == 0


def checked(*command: str) -> None:
    """Run a command.

    Raises:
        ImageError: it failed; the message has what it said.
    """
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ImageError(f"{' '.join(command)} failed (exit status {done.returncode}): {done.stderr.strip()[-2000:]}")


def logged(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a command, its output into ``log``, and the steps that take time to stderr.

    Raises:
        ImageError: it failed; the message has its last lines.
    """
    light = ("nice", *command)  # tests may run beside it, and have less patience
    with (
        log.open("w") as file,
        subprocess.Popen(
            light,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line)
            if " RUN " in line and ("STEP" in line or line.startswith("#")):
                print(f"   {line.strip()[:110]}", file=sys.stderr, flush=True)
    if process.returncode != 0:
        last = "".join(log.read_text().splitlines(keepends=True)[-25:])
        raise ImageError(f"building failed (exit status {process.returncode}); all of it is in {log}:\n{last}")
