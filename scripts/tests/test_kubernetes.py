"""The finder and builder of Kubernetes' commands. Stand-ins for Go and for the commands: a real build takes minutes."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

GO_MOD = "module example.dev/x\n\ngo 1.24.0\n\nrequire (\n\tk8s.io/kubernetes v1.34.4\n)\n"
GO = """#!/bin/sh
# Says its version, or builds: a file for each package, named as its last part.
if [ "$1" = env ]; then echo "${FAKE_GO_VERSION:-go1.26.8}"; exit; fi
echo "$@" >>"$FAKE_GO_CALLS"
if [ -n "$FAKE_GO_HANGS" ]; then exec sleep 60; fi
if [ -n "$FAKE_GO_FAILS" ]; then echo "cmd/x: undefined: y" >&2; exit 1; fi
for argument; do case $argument in */) out=$argument;; esac; done
for argument; do
  case $argument in k8s.io/*|helm.sh/*) echo built >"$out${argument##*/}";; .) echo built >"$out/etcd";; esac
done
"""


class House:
    """A repository with the script and pinned modules, a cache, and a Go that only writes files."""

    def __init__(self, root: Path, place: Path) -> None:
        self.script = place / "scripts" / "kubernetes.py"
        self.modules = place / "e2e" / "kubernetes"
        self.cache = place / "cache"
        self.calls = place / "calls"
        (self.modules / "etcd").mkdir(parents=True)
        self.script.parent.mkdir()
        for name in ("kubernetes.py", "go_build.py", "go_recipes.py"):
            shutil.copy(root / "scripts" / name, self.script.parent)
        (self.modules / "go.mod").write_text(GO_MOD)
        (self.modules / "etcd" / "go.mod").write_text("module example.dev/etcd\n\ngo 1.24\n")
        self.go = place / "bin" / "go"
        self.go.parent.mkdir()
        self.go.write_text(GO)
        self.go.chmod(0o755)
        path = f"{self.go.parent}:/usr/bin:/bin"
        self.env = {"PATH": path, "XDG_CACHE_HOME": str(self.cache), "FAKE_GO_CALLS": str(self.calls)}

    def command(self, *arguments: str) -> list[str]:
        """The script's command line."""
        return [sys.executable, str(self.script), *arguments]

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        return subprocess.run(self.command(*arguments), env=self.env | env, capture_output=True, text=True, check=False)

    def built(self) -> Path:
        """Run the script, which must succeed; the folder that it prints."""
        done = self.run()
        assert done.returncode == 0, done.stderr
        return Path(done.stdout.strip())

    def builds(self) -> int:
        """How often Go was asked to build."""
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def house(root: Path, tmp_path: Path) -> House:
    """A repository of its own."""
    return House(root, tmp_path)


def test_what_is_built_is_found_again(house: House) -> None:
    """The first run builds each module once, the second builds nothing and prints the same folder."""
    folder = house.built()
    assert house.builds() == 2
    assert folder.parent == house.cache / "speechpipe"
    assert folder.name.startswith("kubernetes-v1.34.4-")
    assert (folder / "kube-apiserver").exists()
    assert (house.built(), house.builds()) == (folder, 2)
    assert house.run("--find").stdout.strip() == str(folder)


def test_a_changed_byte_is_noticed(house: House) -> None:
    """A cached command of the same size with another content is refused by --find, and built again alone."""
    folder = house.built()
    apiserver = folder / "kube-apiserver"
    was = apiserver.stat()
    apiserver.write_text("Built\n")
    os.utime(apiserver, ns=(was.st_atime_ns, was.st_mtime_ns))
    refused = house.run("--find")
    assert refused.returncode == 1
    assert "kube-apiserver of Kubernetes v1.34.4 not built yet or damaged" in refused.stderr
    assert house.built() == folder
    assert apiserver.read_text() == "built\n"
    assert house.calls.read_text().splitlines()[-1].endswith(" k8s.io/kubernetes/cmd/kube-apiserver")


def test_another_module_is_another_folder(house: House) -> None:
    """What the build depends on is part of the folder's name, so that nothing stale is ever taken."""
    folder = house.built()
    (house.modules / "go.sum").write_text("other\n")
    assert house.built() != folder


def test_commands_are_added_to_those_that_are_there(house: House) -> None:
    """Asking for more builds those alone."""
    folder = house.built()
    assert house.run("kubelet", "etcd").stdout.strip() == str(folder)
    assert house.builds() == 3
    assert (folder / "kubelet").exists()


def test_groups_are_apart(house: House) -> None:
    """Helm's module pins another folder: what changes there builds nothing of Kubernetes again."""
    folder = house.built()
    helm = house.modules / "helm"
    helm.mkdir()
    for version in ("v3.19.4", "v3.19.5"):
        (helm / "go.mod").write_text(f"module example.dev/helm\n\nrequire helm.sh/helm/v3 {version} // indirect\n")
        printed = house.run("etcd", "helm").stdout.splitlines()
        assert printed[0] == str(folder)
        assert Path(printed[1]).name.startswith(f"helm-{version}-")
        assert (Path(printed[1]) / "helm").exists()
    assert house.builds() == 4


def test_incomplete_assets_are_named(house: House, tmp_path: Path) -> None:
    """With KUBEBUILDER_ASSETS nothing is built: it holds what is asked for, or the missing commands are named."""
    assets = tmp_path / "assets"
    assets.mkdir()
    for name in ("etcd", "kube-apiserver"):
        shutil.copy(house.go, assets / name)
    assert house.run("etcd", "kube-apiserver", KUBEBUILDER_ASSETS=str(assets)).stdout.strip() == str(assets)
    refused = house.run(KUBEBUILDER_ASSETS=str(assets))
    assert refused.returncode == 1
    assert f"KUBEBUILDER_ASSETS={assets} lacks kube-controller-manager, kube-scheduler:" in refused.stderr
    assert house.builds() == 0


def test_finding_never_builds(house: House) -> None:
    """--find with an empty cache fails at once and names the way out."""
    refused = house.run("--find")
    assert refused.returncode == 1
    assert "run `make kubernetes`, or set KUBEBUILDER_ASSETS" in refused.stderr
    assert house.builds() == 0


@pytest.mark.parametrize("version", ["", "go1.23.12"])
def test_without_a_go_that_is_new_enough_it_says_what_to_install(house: House, version: str) -> None:
    """No Go, or an old one: the version to install is named, and the way without Go."""
    if not version:
        house.go.unlink()
    refused = house.run(PATH=str(house.go.parent) if not version else house.env["PATH"], FAKE_GO_VERSION=version)
    assert refused.returncode == 1
    assert "install Go 1.24.0 or newer" in refused.stderr
    assert "KUBEBUILDER_ASSETS" in refused.stderr
    assert version in refused.stderr


def test_a_failed_build_shows_what_go_said(house: House) -> None:
    """The compiler's words are in the message, and nothing is left that a later run would take for whole."""
    refused = house.run(FAKE_GO_FAILS="1")
    assert refused.returncode == 1
    assert "cmd/x: undefined: y" in refused.stderr
    assert house.run("--find").returncode == 1
    assert not list(house.cache.glob("*/.building-*"))


def test_an_interrupted_build_leaves_nothing_behind(house: House) -> None:
    """Ctrl-C ends the compiler, removes the half-built folder and lets the next run build."""
    with subprocess.Popen(house.command(), env=house.env | {"FAKE_GO_HANGS": "1"}, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        assert b"building" in process.stderr.readline()
        while not house.builds():  # bounded by the suite's own deadline
            pass
        process.send_signal(signal.SIGINT)
        assert process.wait(120) == 130
    assert not list(house.cache.glob("*/.building-*"))
    assert (house.built() / "etcd").exists()


def test_two_at_once_build_once(house: House) -> None:
    """The second of two runs waits for the first and finds what that has built."""
    two = [subprocess.Popen(house.command(), env=house.env) for _ in range(2)]
    assert [process.wait(120) for process in two] == [0, 0]
    assert house.builds() == 2
