"""Writes images as archives that `docker load` and `ctr images import` take, and reads what is in such archives."""

import hashlib
import io
import json
import platform
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image of one layer."""

    tags: Sequence[str]
    root: Path
    """Folder that becomes its root."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """As in an image's ``config``: ``Env``, ``Entrypoint``, ..."""
    exclude: Sequence[str] = ()
    """Patterns of what is left out, as ``./proc/*``."""


def write(image: Image, archive: Path) -> None:
    """Write one image as a docker-archive; the same files give the same bytes."""
    with tempfile.TemporaryDirectory(dir=archive.parent) as place:
        layer = Path(place) / "layer.tar"
        pack(image.root, layer, *image.exclude)
        with layer.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        config = json.dumps(
            {
                "architecture": ARCHITECTURES[platform.machine()],
                "os": "linux",
                "config": dict(image.config),
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            }
        ).encode()
        name = f"{hashlib.sha256(config).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": list(image.tags), "Layers": [f"{digest}/layer.tar"]}]
        with tarfile.open(archive, "w") as tar:
            tar.add(layer, f"{digest}/layer.tar", filter=_plain)
            _add(tar, name, config)
            _add(tar, "manifest.json", json.dumps(manifest).encode())


def pack(root: Path, archive: Path, *exclude: str) -> None:
    """Pack a folder as a layer, in one order and with one time, owners and extended attributes kept."""
    pax = "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime"  # else each packing differs
    tar = ["tar", "--create", "--format=posix", pax, "--sort=name", "--mtime=@0", "--numeric-owner", "--xattrs"]
    leave = [f"--exclude={pattern}" for pattern in exclude]
    subprocess.run([*tar, *leave, f"--directory={root}", f"--file={archive}", "."], check=True)


def contents(archive: Path) -> dict[str, str]:
    """The tags in an archive, docker's or OCI's, each with the digest of its image's config.

    Raises:
        ValueError: it is neither.
    """
    with tarfile.open(archive) as tar:
        names = set(tar.getnames())
        if "manifest.json" in names:
            images = _load(tar, "manifest.json")
            # The config is named by its digest: HEX.json, or blobs/sha256/HEX.
            return {
                tag: f"sha256:{Path(image['Config']).name.removesuffix('.json')}"
                for image in images
                for tag in image.get("RepoTags") or []
            }
        if "index.json" in names:
            return dict(_of_index(tar))
    raise ValueError(f"{archive} is no image archive: neither manifest.json nor index.json in it")


def _of_index(tar: tarfile.TarFile) -> list[tuple[str, str]]:
    found = []
    for entry in _load(tar, "index.json")["manifests"]:
        notes = entry.get("annotations", {})
        tag = notes.get("io.containerd.image.name") or notes.get("org.opencontainers.image.ref.name")
        if tag:
            manifest = _load(tar, f"blobs/{entry['digest'].replace(':', '/')}")
            found.append((tag, manifest["config"]["digest"]))
    return found


def _load(tar: tarfile.TarFile, name: str) -> Any:
    member = tar.extractfile(name)
    assert member is not None
    return json.load(member)


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.mtime, member.uid, member.gid, member.uname, member.gname = 0, 0, 0, "", ""
    return member


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def copy_into(root: Path, source: Path, at: str, mode: int = 0o755) -> None:
    """Copy a file to a path below ``root``, whose folders are made."""
    target = root / at.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)
