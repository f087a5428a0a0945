"""Makes the project's images, and keeps each as an archive (`docker load` and `kind load image-archive` take them).

What is built upon: BASE, where given (`BASE=debian`: a Debian 12 made here); else the official image, where its
registry answers; else that Debian. Who builds: Docker, where its daemon answers, else buildah; BUILDER names one.

An archive is called after a hash over all that goes into it, so an image is built again only when something has
changed. All is kept in $XDG_CACHE_HOME/speechpipe/images (~/.cache unless set).
"""

import argparse
import contextlib
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import image_base
from image_build import Builder, Order, find_builder
from image_list import IMAGES, REGISTRY, ROOT, Image, ImageError, chosen, key, version

KEPT = 2
"""Archives of one image that are kept: two branches may take turns."""

EXAMPLES = """
examples:
  scripts/images.py build                       every image for a cluster without GPUs
  scripts/images.py build gateway stt-cuda      these two
  scripts/images.py archives gateway            the path of its archive, one line; built first when need be
  scripts/images.py list                        names, references, and what has been built
  REGISTRY=registry.example.org/speech TAG=1.2.3 scripts/images.py build
"""


def say(text: str) -> None:
    """A line of progress, for people."""
    print(f"== {text}", file=sys.stderr, flush=True)


def cache() -> Path:
    """The folder that everything is kept in."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "speechpipe" / "images"


class Workshop:
    """Images as the environment wants them: registry, tag, base and builder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._registry = os.environ.get("REGISTRY") or REGISTRY
        self._tag = os.environ.get("TAG") or version()
        self._base = image_base.choose(os.environ.get("BASE", ""), say)
        self._builder: Builder | None = None

    def reference(self, image: Image) -> str:
        """What the image is called."""
        return image.reference(self._registry, self._tag)

    def archive(self, image: Image) -> Path:
        """Where its archive is, or will be."""
        base = image_base.debian_key() if self._base == image_base.DEBIAN else self._base
        return self._folder / f"{image.label}-{key(image, self.reference(image), base)}.tar"

    def make(self, image: Image) -> Path:
        """The archive of an image, built when it is not there.

        Raises:
            ImageError: it can't be built.
        """
        archive = self.archive(image)
        if archive.exists():
            archive.touch()
            return archive
        began = time.monotonic()
        say(f"{image.label}: building {self.reference(image)}")
        builder = self._builder = self._builder or find_builder(self._folder, os.environ.get("BUILDER", ""))
        given = {
            "VERSION": image.tag or self._tag,
            "REVISION": revision(),
            **image.arguments,
            **self._base_argument(builder),
        }
        order = Order(image.label, self.reference(image), ROOT / image.containerfile, ROOT, given)
        builder.build(order, self._folder / f"{image.label}.log")
        part = archive.with_suffix(".part")
        part.unlink(missing_ok=True)
        builder.save(order.reference, part)
        part.rename(archive)
        self._forget(image)
        say(f"{image.label}: {archive.stat().st_size / 1e6:.0f} MB in {time.monotonic() - began:.0f} s")
        return archive

    def tidy(self) -> None:
        """Where something has been built, forget what it replaces."""
        if self._builder is not None:
            self._builder.tidy()

    def _base_argument(self, builder: Builder) -> dict[str, str]:
        if self._base == image_base.OFFICIAL:
            return {}
        if self._base != image_base.DEBIAN:
            return {"BASE": self._base}
        reference = f"localhost/speechpipe-debian:{image_base.debian_key()}"
        if not builder.has(reference):
            context = image_base.debian(self._folder, say)
            order = Order("debian", reference, ROOT / "images/debian/Containerfile", context, {})
            builder.build(order, self._folder / "debian.log")
        return {"BASE": reference}

    def _forget(self, image: Image) -> None:
        archives = sorted(self._folder.glob(f"{image.label}-{'?' * 16}.tar"), key=lambda path: path.stat().st_mtime)
        for old in archives[:-KEPT]:
            old.unlink(missing_ok=True)


def revision() -> str:
    """The commit that the sources are of, as far as git knows."""
    head = ("git", "rev-parse", "HEAD")
    done = subprocess.run(head, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Wait until nobody else builds; the kernel frees the lock of one who was killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build to end")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def show(workshop: Workshop) -> None:
    """Every image with its reference, and its archive where there is one."""
    for image in IMAGES.values():
        archive = workshop.archive(image)
        print(f"{image.label}\t{workshop.reference(image)}\t{archive if archive.exists() else '-'}")


def main() -> int:
    """Do what the command line says; the number to exit with."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", choices=("build", "archives", "list"))
    parser.add_argument("names", nargs="*", metavar="IMAGE", help=f"of {', '.join(IMAGES)}")
    given = parser.parse_args()
    folder = cache()
    try:
        images = chosen(given.names)
        workshop = Workshop(folder)
        if given.action == "list":
            show(workshop)
            return 0
        with alone(folder):
            for image in images:
                archive = workshop.make(image)
                print(archive if given.action == "archives" else f"{workshop.reference(image)}\t{archive}", flush=True)
            workshop.tidy()
    except ImageError as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("images: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
