"""An image archive on its way to a node, without the layers that the node has."""

import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
NAME = "io.containerd.image.name"
GZIP = b"\x1f\x8b"


@contextmanager
def slimmed(archive: Path, there: Set[str]) -> Iterator[IO[bytes]]:
    """The read end of a pipe that a thread writes the archive into, as an OCI layout without what is ``there``.

    Args:
        archive: as ``docker save`` makes them.
        there: digests of layers; with all of them the layout is whole.

    Raises:
        ValueError: it is none, or its layers are compressed, so that their digests are not known.
    """
    with tarfile.open(archive) as source:
        images = list(_images(source, archive))
        reading, writing = (os.fdopen(end, mode) for end, mode in zip(os.pipe(), ("rb", "wb"), strict=True))
        thread = threading.Thread(target=_write, args=(source, images, there, writing), daemon=True)
        thread.start()
        try:
            with reading:
                yield reading
        finally:
            thread.join()  # a reader that is gone breaks the pipe


def _images(source: tarfile.TarFile, archive: Path) -> Iterator[tuple[list[str], bytes, Mapping[str, str]]]:
    """Tags, config, and the files of the layers by digest, from the lowest to the highest."""
    if "manifest.json" not in source.getnames():
        raise ValueError(f"{archive} is no archive of docker's: no manifest.json in it")
    for image in json.loads(_opened(source, "manifest.json").read()):
        config = _opened(source, image["Config"]).read()
        digests = json.loads(config)["rootfs"]["diff_ids"]
        layers = dict(zip(digests, image["Layers"], strict=True))
        if packed := [name for name in layers.values() if _opened(source, name).read(len(GZIP)) == GZIP]:
            raise ValueError(f"{archive}: layer {packed[0]} is compressed")
        yield list(image.get("RepoTags") or []), config, layers


def _write(source: tarfile.TarFile, images: list[Any], there: Set[str], pipe: IO[bytes]) -> None:
    done = set(there)
    entries = []
    with suppress(BrokenPipeError), pipe, tarfile.open(fileobj=pipe, mode="w|") as target:
        for tags, config, layers in images:
            described = [_layer(source, target, digest, name, done) for digest, name in layers.items()]
            manifest = {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": _blob(target, config, CONFIG),
                "layers": described,
            }
            entry = _blob(target, json.dumps(manifest).encode(), MANIFEST)
            entries += [entry | {"annotations": {NAME: tag}} for tag in tags]
        _add(target, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
        _add(target, "index.json", json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode())


def _layer(source: tarfile.TarFile, target: tarfile.TarFile, digest: str, name: str, done: set[str]) -> dict[str, Any]:
    file = _opened(source, name)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if digest not in done:
        member = tarfile.TarInfo(f"blobs/{digest.replace(':', '/')}")
        member.size = size
        target.addfile(member, file)
        done.add(digest)
    return {"mediaType": LAYER, "digest": digest, "size": size}


def _blob(target: tarfile.TarFile, content: bytes, kind: str) -> dict[str, Any]:
    digest = sha256(content).hexdigest()
    _add(target, f"blobs/sha256/{digest}", content)
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _add(target: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    target.addfile(member, io.BytesIO(content))


def _opened(source: tarfile.TarFile, name: str) -> IO[bytes]:
    file = source.extractfile(name)  # links, as docker makes them for layers that it has written already, are followed
    assert file is not None
    return file
