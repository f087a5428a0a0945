"""Image archives: what is written can be read, and is the same each time."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
from kind_cluster import archive, slimming


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root file system of three entries."""
    folder = tmp_path / "root"
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "sh").write_text("#!/bin/sh\n")
    (folder / "proc").mkdir()
    (folder / "proc" / "1").write_text("")
    return folder


def test_the_same_files_make_the_same_bytes(root: Path, tmp_path: Path) -> None:
    """So that an image has one digest, whenever it is made."""
    image = archive.Image(["example.dev/a:1"], root, {"Env": ["A=1"]})
    for name in ("one.tar", "two.tar"):
        archive.write(image, tmp_path / name)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_an_archive_tells_its_tags_and_digests(root: Path, tmp_path: Path) -> None:
    """The digest is that of the config, which names the layer by its own, and both are in the archive."""
    path = tmp_path / "image.tar"
    archive.write(archive.Image(["example.dev/a:1", "example.dev/b:2"], root, {"Env": ["A=1"]}), path)
    found = archive.contents(path)
    assert set(found) == {"example.dev/a:1", "example.dev/b:2"}
    (digest,) = set(found.values())
    with tarfile.open(path) as tar:
        files = {name: tar.extractfile(name).read() for name in tar.getnames()}
    config = files[f"{digest.removeprefix('sha256:')}.json"]
    assert hashlib.sha256(config).hexdigest() == digest.removeprefix("sha256:")
    (layer,) = (content for name, content in files.items() if name.endswith("layer.tar"))
    assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert json.loads(config)["config"] == {"Env": ["A=1"]}


def test_what_is_mounted_is_left_out(root: Path, tmp_path: Path) -> None:
    """Patterns keep files out of the layer; the folder itself stays."""
    archive.pack(root, tmp_path / "layer.tar", "./proc/*")
    with tarfile.open(tmp_path / "layer.tar") as tar:
        assert sorted(tar.getnames()) == [".", "./bin", "./bin/sh", "./proc"]


def test_an_oci_archive_is_read_too(tmp_path: Path) -> None:
    """By its index and manifest, as `skopeo` and `buildah` write them."""
    manifest = json.dumps({"config": {"digest": "sha256:cafe"}}).encode()
    digest = hashlib.sha256(manifest).hexdigest()
    named = {"digest": f"sha256:{digest}", "annotations": {"org.opencontainers.image.ref.name": "example.dev/a:1"}}
    files = {"index.json": json.dumps({"manifests": [named]}).encode(), f"blobs/sha256/{digest}": manifest}
    with tarfile.open(tmp_path / "oci.tar", "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert archive.contents(tmp_path / "oci.tar") == {"example.dev/a:1": "sha256:cafe"}


def test_another_tar_is_refused(root: Path, tmp_path: Path) -> None:
    """It is named, and what it lacks."""
    archive.pack(root, tmp_path / "plain.tar")
    with pytest.raises(ValueError, match=r"plain\.tar is no image archive"):
        archive.contents(tmp_path / "plain.tar")


def layers_of(stream: bytes) -> dict[str, bytes]:
    """Files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(stream)) as tar:
        return {name: tar.extractfile(name).read() for name in tar.getnames()}


def test_a_slimmed_archive_is_a_whole_layout_without_what_is_there(root: Path, tmp_path: Path) -> None:
    """An OCI layout with the same tag and config, every blob under its own digest; layers that a node has are left
    out, and the manifest names them all the same.
    """
    path = tmp_path / "image.tar"
    archive.write(archive.Image(["example.dev/a:1"], root, {"Env": ["A=1"]}), path)
    with slimming.slimmed(path, set()) as stream:
        whole = layers_of(stream.read())
    assert json.loads(whole["oci-layout"])["imageLayoutVersion"] == "1.0.0"
    blobs = {f"sha256:{Path(name).name}": content for name, content in whole.items() if name.startswith("blobs/")}
    assert all(f"sha256:{hashlib.sha256(content).hexdigest()}" == digest for digest, content in blobs.items())
    (entry,) = json.loads(whole["index.json"])["manifests"]
    manifest = json.loads(blobs[entry["digest"]])
    assert entry["annotations"]["io.containerd.image.name"] == "example.dev/a:1"
    assert manifest["config"]["digest"] == archive.contents(path)["example.dev/a:1"]
    (layer,) = manifest["layers"]
    assert layer["size"] == len(blobs[layer["digest"]])
    with slimming.slimmed(path, {layer["digest"]}) as stream:
        slim = layers_of(stream.read())
    assert set(whole) - set(slim) == {f"blobs/sha256/{layer['digest'].removeprefix('sha256:')}"}
    assert slim["index.json"] == whole["index.json"]


def test_a_reader_that_goes_away_ends_the_slimming(root: Path, tmp_path: Path) -> None:
    """What writes into the pipe ends when nobody reads it any more, however much is still to come."""
    (root / "large").write_bytes(bytes(4_000_000))
    archive.write(archive.Image(["example.dev/a:1"], root), tmp_path / "image.tar")
    with slimming.slimmed(tmp_path / "image.tar", set()) as stream:
        stream.read(1)


def test_what_has_no_known_digests_is_not_slimmed(root: Path, tmp_path: Path) -> None:
    """Another kind of archive is refused by name; it has to be loaded as it is."""
    archive.pack(root, tmp_path / "plain.tar")
    with pytest.raises(ValueError, match=r"plain\.tar"), slimming.slimmed(tmp_path / "plain.tar", set()):
        pass
