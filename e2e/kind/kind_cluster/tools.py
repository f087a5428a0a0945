"""The commands that `scripts/kubernetes.py` finds or builds: kind, kubectl, and what a node is made of."""

import functools
import os
import subprocess
import sys
from pathlib import Path

from kind_cluster.steps import StepError

SCRIPT = Path(__file__).resolve().parents[3] / "scripts" / "kubernetes.py"
ASSETS = "KUBEBUILDER_ASSETS"


@functools.cache  # each asking checks the files by their hashes, which takes seconds
def folders(*commands: str) -> list[Path]:
    """The folders that hold the commands, one for each group of them; what is missing is built.

    Raises:
        StepError: they can't be had; the script has said why.
    """
    # The assets of envtest have no kubelet, and a cluster is to be of one version.
    env = {name: value for name, value in os.environ.items() if name != ASSETS}
    done = subprocess.run([sys.executable, str(SCRIPT), *commands], env=env, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        raise StepError(f"{SCRIPT.name} could not get {', '.join(commands)}")
    return [Path(line) for line in done.stdout.decode().splitlines()]


def folder(*commands: str) -> Path:
    """The one folder that holds commands of one group."""
    (found,) = folders(*commands)
    return found
