"""The commands that `scripts/kubernetes.py` finds or builds: kind, kubectl, and what a node is made of."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from kind_cluster.steps import StepError, ask, run

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "scripts" / "kubernetes.py"
SETUP = ROOT / "scripts" / "setup.sh"
PACKAGES = Path("requirements") / "apt-cluster.txt"
ASSETS = "KUBEBUILDER_ASSETS"


@functools.cache  # each asking checks the files by their hashes, which takes seconds
def folders(*commands: str) -> list[Path]:
    """The folders that hold the commands, one for each group of them; what is missing is built.

    Raises:
        StepError: they can't be had; the script has said why.
    """
    # The assets of envtest have no kubelet, and a cluster is to be of one version.
    env = {name: value for name, value in os.environ.items() if name != ASSETS}
    find = [sys.executable, str(SCRIPT), "--find", *commands]
    done = subprocess.run(find, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        build = [sys.executable, str(SCRIPT), *commands]
        done = subprocess.run(build, env=env | with_go(), stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise StepError(f"{SCRIPT.name} could not get {', '.join(commands)}")
    return [Path(line) for line in done.stdout.decode().splitlines()]


def folder(*commands: str) -> Path:
    """The one folder that holds commands of one group."""
    (found,) = folders(*commands)
    return found


@functools.cache
def with_go() -> dict[str, str]:
    """A PATH that has a Go, fetched where the machine has none."""
    place = ask([str(SETUP), "go"]).strip()
    return {"PATH": f"{place}{os.pathsep}{os.environ['PATH']}" if place else os.environ["PATH"]}


def install_packages(log: Path) -> None:
    """Install the Debian packages that an engine and nodes of our own need, where that needs no password.

    Raises:
        StepError: some are missing and can't be installed; the message names them.
    """
    run([str(SETUP), "system", str(PACKAGES), "make cluster"], log)
