"""Whether a cluster's engine leaves nothing behind, however it and its makers are killed.

Each test has an engine of its own, beside the one of the cluster.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "speechpipe"
PACKAGE = Path(__file__).parents[1]
SECONDS = 240
IMAGE = "speechpipe.dev/node-tools:local"

pytestmark = [
    pytest.mark.skipif("DOCKER_HOST" not in os.environ or os.geteuid() != 0, reason="the engine is not one of ours"),
    pytest.mark.timeout(900),
]


class Rig:
    """The command line of a second cluster."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.name = f"test-{secrets.token_hex(3)}"
        self.folder = HOME / f"cluster-{self.name}"
        mine = {"CLUSTER": self.name, "NODE_IMAGE": "built", "PYTHONPATH": str(PACKAGE)}
        dropped = ("DOCKER_HOST", "KUBECONFIG", "KEEP")
        self.env = {name: value for name, value in os.environ.items() if name not in dropped} | mine

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Begin a command."""
        command = [sys.executable, "-m", "kind_cluster", *arguments]
        return subprocess.Popen(command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def do(self, *arguments: str) -> str:
        """Run a command, which must succeed; what it says."""
        with self.start(*arguments) as process:
            said, errors = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, errors
        return said

    def record(self) -> dict:
        """What is written down about the engine."""
        return json.loads((self.folder / "record.json").read_text())

    def work(self) -> str:
        """Folder of the engine that is written down; nothing where there is none."""
        try:
            return str(self.record()["work"])
        except FileNotFoundError:
            return ""

    def processes(self) -> list[int]:
        """Every process in the engine's namespaces, the holder too."""
        holder = self.record()["owner"]["pid"]
        network = link(f"/proc/{holder}/ns/net")
        return [pid for pid in numbers() if link(f"/proc/{pid}/ns/net") == network]

    def traces(self) -> list[str]:
        """Folders, cgroups and mounts that have to do with this cluster, but for its lock and logs."""
        work = [path.name for path in self.folder.glob("*") if path.name not in ("lock", "logs")]
        works = {Path(path).name for path in self.known}
        cgroups = [str(path) for name in works for path in Path("/sys/fs/cgroup").glob(f"**/speechpipe-{name}")]
        mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.folder) in line]
        return work + cgroups + mounts

    def with_container(self) -> list[int]:
        """Start the engine and a container in it that ignores being asked to end; the engine's processes."""
        self.do("up", "--engine")
        self.known = {self.work()}
        (archive, *_) = sorted(HOME.glob("kind-node-tools-*/image.tar"), key=lambda path: -path.stat().st_mtime)
        self.do("run", "--", "docker", "load", f"--input={archive}")
        forever = ("busybox", "sh", "-c", "trap '' TERM; while :; do busybox sleep 1000; done")
        self.do("run", "--", "docker", "run", "--detach", "--privileged", IMAGE, *forever)
        return self.processes()


def numbers() -> list[int]:
    """All processes."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def link(path: str) -> str:
    """Where a link leads; nothing where it is gone."""
    try:
        return str(Path(path).readlink())
    except OSError:
        return ""


def named(pids: list[int], name: str) -> int:
    """The first of the processes that runs a program."""
    return next(pid for pid in pids if Path(f"/proc/{pid}/comm").read_text().strip() == name)


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended, and that its parent has not asked for yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def eventually(check: Callable[[], bool], what: str) -> None:
    """Ask until it holds, for four minutes."""
    end = time.monotonic() + SECONDS
    while not check():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A second cluster's command line; what it left is removed."""
    made = Rig()
    yield made
    made.do("down")
    assert sorted(path.name for path in made.folder.iterdir()) == ["lock", "logs"]
    subprocess.run(["rm", "-r", str(made.folder)], check=True)


@pytest.mark.parametrize("victim", ["unshare", "tini", "dockerd", "containerd"])
def test_nothing_is_left_of_an_engine_that_was_killed(rig: Rig, victim: str) -> None:
    """With SIGKILL for any of its processes while a privileged container runs: `down` leaves no process, mount, cgroup
    or file, and the engine can start again.
    """
    processes = rig.with_container()
    os.kill(named(processes, victim), signal.SIGKILL)
    rig.do("down")
    assert [pid for pid in processes if alive(pid)] == []
    assert rig.traces() == []
    rig.do("up", "--engine")


def test_whoever_makes_it_may_be_killed_at_any_moment(rig: Rig) -> None:
    """`up` is killed at several points between its first word and its last; the next `up` finds what that left, removes
    it and ends with an engine that answers.
    """
    for delay in (0.0, 0.1, 0.3, 0.9):
        process = rig.start("up", "--engine")
        with process:
            eventually(lambda: rig.work() not in {"", *rig.known}, "a record of this one")
            rig.known.add(rig.work())
            time.sleep(delay)
            process.kill()
            process.communicate()
        if rig.record()["stage"] == "engine":  # it was quicker: the next one would let it be
            rig.do("down")
    rig.do("up", "--engine")
    rig.known.discard(rig.work())
    assert rig.do("run", "--", "docker", "version", "--format", "{{.Server.Version}}").strip()
    others = [work for work in rig.known if Path(work).exists()]
    assert others == []


def test_an_interrupted_start_takes_itself_down(rig: Rig) -> None:
    """Ctrl-C while the engine starts ends with status 130 and leaves nothing."""
    process = rig.start("up", "--engine")
    with process:
        eventually(lambda: (rig.folder / "record.json").exists(), "a record")
        rig.known = {rig.record()["work"]}
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=SECONDS)
    if process.returncode == 0:  # it was quicker
        rig.do("down")
    else:
        assert process.returncode == 130, errors
    assert rig.traces() == []


def test_nothing_in_the_engine_reaches_beyond_this_machine(rig: Rig) -> None:
    """Its network has no way out: an address elsewhere is unreachable, for the engine and for its containers."""
    rig.with_container()
    routes = rig.do("run", "--", "ip", "route", "show", "default")
    assert routes == ""
    (container,) = rig.do("run", "--", "docker", "ps", "--quiet").split()
    reach = "echo | busybox nc -w 2 192.0.2.1 80 && echo REACHED || echo unreachable"
    assert rig.do("run", "--", "docker", "exec", container, "busybox", "sh", "-c", reach).strip() == "unreachable"
