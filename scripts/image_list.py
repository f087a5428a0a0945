"""The images that this repository makes, and what each of them is made from."""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
REGISTRY: Final = "ghcr.io/speechpipe"
"""As in ``speechpipe_operator.spec.Images``, so that pods find what was built here; a test compares them."""
VALKEY_TAG: Final = "9.1"
"""As in ``speechpipe_operator.plan_pods``."""

_COPY: Final = re.compile(r"^COPY (?!--from)(.+) \S+$", re.MULTILINE)
_ARGUMENT: Final = re.compile(r"^ARG (\w+)=(.*)$", re.MULTILINE)
_LEFT_OUT: Final = frozenset({"tests", "__pycache__"})
"""Folders that never reach a build; .dockerignore says so too."""


class ImageError(RuntimeError):
    """An image can't be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image.

    ``tag`` replaces the version, ``suffix`` is put behind it; ``megabytes`` is the most that all layers may have,
    unpacked (10^6 bytes).
    """

    name: str
    containerfile: str
    megabytes: int
    arguments: Mapping[str, str] = field(default_factory=dict)
    tag: str = ""
    suffix: str = ""
    by_default: bool = True

    @property
    def label(self) -> str:
        """What a person calls it: ``stt``, ``stt-cuda``."""
        return self.name + self.suffix

    def reference(self, registry: str, tag: str) -> str:
        """Whole reference of the image that is built as version ``tag``."""
        return f"{registry}/{self.name}:{self.tag or tag}{self.suffix}"

    def text(self) -> str:
        """The Containerfile."""
        return (ROOT / self.containerfile).read_text()

    def sources(self) -> list[Path]:
        """Every file that its Containerfile copies out of the repository, sorted.

        Raises:
            ImageError: it names something that is not there.
        """
        text = self.text()
        known = {**dict(_ARGUMENT.findall(text)), **self.arguments}
        filled = re.sub(r"\$\{(\w+)\}", lambda found: known.get(found[1], found[0]), text)
        names = [name for line in _COPY.findall(filled) for name in line.split()]
        if missing := [name for name in names if not (ROOT / name).exists()]:
            raise ImageError(f"{self.containerfile} copies {', '.join(missing)}, which the repository does not have")
        return sorted({file for name in names for file in _files(ROOT / name)})


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for file in path.rglob("*"):
        if file.is_file() and not _LEFT_OUT.intersection(file.relative_to(path).parts):
            yield file


_CUDA: Final[Mapping[str, str]] = {"VARIANT": "-cuda"}
_MODELS: Final = "images/models/Containerfile"

IMAGES: Final[Mapping[str, Image]] = {
    image.label: image
    for image in (
        Image("gateway", "services/gateway/Containerfile", 450),
        Image("stt", "services/stt/Containerfile", 700),
        Image("translation", "services/translate/Containerfile", 650),
        Image("operator", "operator/Containerfile", 350),
        Image("client", "clients/Containerfile", 350),
        Image("valkey", "images/valkey/Containerfile", 200, tag=VALKEY_TAG),
        Image("model-whisper-tiny.en", _MODELS, 250, {"MODEL": "whisper-tiny.en"}),
        Image("model-whisper-base", _MODELS, 350, {"MODEL": "whisper-base"}),
        Image("stt", "services/stt/Containerfile", 2000, _CUDA, suffix="-cuda", by_default=False),
        Image("translation", "services/translate/Containerfile", 1900, _CUDA, suffix="-cuda", by_default=False),
    )
}
"""By what a person calls them."""


def chosen(names: list[str]) -> list[Image]:
    """The images of these names; without any, those that a CPU cluster needs.

    Raises:
        ImageError: there is no such image.
    """
    if unknown := sorted(set(names) - IMAGES.keys()):
        raise ImageError(f"{', '.join(unknown)}: there is no such image; there are {', '.join(IMAGES)}")
    return [image for image in IMAGES.values() if (image.label in names if names else image.by_default)]


def version() -> str:
    """The project's version, which the operator asks for where a pipeline names no tag."""
    project = tomllib.loads((ROOT / "operator" / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def key(image: Image, reference: str, base: str) -> str:
    """A hash over all that goes into an image: another one is another image.

    ``base`` names the base image, by its content where that is known.
    """
    digest = hashlib.sha256()
    for part in (reference, base, repr(sorted(image.arguments.items())), image.text()):
        digest.update(f"{len(part)} {part}".encode())
    for file in image.sources():
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.relative_to(ROOT)} {content}\n".encode())
    return digest.hexdigest()[:16]
