"""What is kept between runs, and what is known of processes of earlier ones."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kind_cluster import cache, kernel, record, steps
from kind_cluster.processes import Owned
from kind_cluster.record import Record

ROOT = os.geteuid() == 0


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def make(place: Path) -> None:
    """Something expensive."""
    (place / "file").write_text("content")


def test_what_is_kept_is_made_once() -> None:
    """A second asking makes nothing."""
    made = []

    def count(place: Path) -> None:
        made.append(place)
        make(place)

    first = cache.kept("thing", "0" * 16, count)
    assert cache.kept("thing", "0" * 16, count) == first
    assert len(made) == 1


def test_a_damaged_file_is_made_again() -> None:
    """A changed byte is noticed by the hash."""
    folder = cache.kept("thing", "0" * 16, make)
    (folder / "file").write_text("contenu")
    assert (cache.kept("thing", "0" * 16, make) / "file").read_text() == "content"


def test_a_failed_making_leaves_nothing() -> None:
    """Neither a folder that looks whole nor one that is half made."""

    def fail(place: Path) -> None:
        make(place)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        cache.kept("thing", "0" * 16, fail)
    assert [path.name for path in cache.root().iterdir() if path.is_dir()] == []


def test_old_ones_make_room() -> None:
    """The newest two of a kind stay; other kinds are left alone."""
    other = cache.kept("thing-else", "f" * 16, make)
    folders = [cache.kept("thing", str(number) * 16, make) for number in range(4)]
    for age, folder in enumerate(reversed(folders)):
        if folder.exists():
            os.utime(folder, (1e9 - age, 1e9 - age))
    assert [folder.exists() for folder in folders] == [False, False, True, True]
    assert other.exists()


def test_a_process_is_told_from_another_of_its_number(sleeper: "subprocess.Popen[bytes]") -> None:
    """By its start: a record of a process that is gone never kills the one that has its number now."""
    mine = Owned.of(sleeper.pid)
    assert mine.alive()
    stranger = mine.model_copy(update={"started": "1"})
    assert not stranger.alive()
    stranger.end_namespace()
    assert not mine.model_copy(update={"boot": "another"}).alive()
    assert sleeper.poll() is None


def test_a_zombie_is_not_alive(sleeper: "subprocess.Popen[bytes]") -> None:
    """One that has ended counts as gone before its parent has asked for it."""
    mine = Owned.of(sleeper.pid)
    sleeper.kill()
    steps.wait_until("it to end", 30, lambda: not mine.alive(), every=0.01)


@pytest.mark.skipif(not ROOT, reason="namespaces need root")
def test_a_namespace_ends_with_all_that_is_in_it() -> None:
    """Also what has left the session and ignores every signal it can."""
    script = "setsid sh -c 'trap \"\" TERM INT HUP; sleep 600' & echo $!; exec sleep 600"
    command = ["unshare", "--pid", "--fork", "--kill-child", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        holder = Owned.of(process.pid)
        inside = subprocess.run(
            ["pgrep", "--ns", str(_first_child(process.pid)), "--nslist", "pid"], capture_output=True
        )
        processes = [Owned.of(int(pid)) for pid in inside.stdout.split()]
        assert len(processes) >= 2
        holder.end_namespace()
        assert not any(one.alive() for one in processes)


def _first_child(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def test_a_record_is_read_as_it_was_written(sleeper: "subprocess.Popen[bytes]", tmp_path: Path) -> None:
    """And is gone once forgotten."""
    written = record.write(Record(engine="own", work=tmp_path, owner=Owned.of(sleeper.pid), stage="engine"))
    assert record.read() == written
    record.forget()
    assert record.read() is None


def test_a_second_cluster_is_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """CLUSTER names another folder."""
    first = record.folder()
    monkeypatch.setenv("CLUSTER", "other")
    assert record.folder() != first


def test_the_kernel_is_as_it_was(tmp_path: Path) -> None:
    """What nodes change is put back; what they did not change is not written, and room for watches is never taken."""
    for name, value in zip((*kernel.KUBELETS, kernel.WATCHES), ("0", "0", "0", "128"), strict=True):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    before = kernel.settings(tmp_path)
    kernel.make_room(tmp_path)
    (tmp_path / "kernel/panic").write_text("10\n")
    assert kernel.settings(tmp_path) == before | {"kernel/panic": "10", kernel.WATCHES: "1024"}
    kernel.put_back(before, tmp_path)
    assert kernel.settings(tmp_path) == before
    (tmp_path / kernel.WATCHES).write_text("8192\n")
    kernel.make_room(tmp_path)
    assert kernel.settings(tmp_path)[kernel.WATCHES] == "8192"


def test_a_failed_step_shows_the_end_of_its_log(tmp_path: Path) -> None:
    """The status, the last lines and where the whole log is."""
    with pytest.raises(steps.StepError) as caught:
        steps.run(["sh", "-c", "seq 100; exit 3"], tmp_path / "log")
    assert "status 3" in str(caught.value)
    assert str(tmp_path / "log") in str(caught.value)
    assert str(caught.value).endswith("\n99\n100")
    assert "\n60\n" not in str(caught.value)
