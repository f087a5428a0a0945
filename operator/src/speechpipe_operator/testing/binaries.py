"""Where the commands of Kubernetes are: ``scripts/kubernetes.py`` knows."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ASSETS = "KUBEBUILDER_ASSETS"
"""Names a folder that holds the commands, as envtest has it; it comes before the cache."""

API_SERVER = ("etcd", "kube-apiserver")
CONTROLLERS = ("kube-controller-manager", "kube-scheduler")


def find(commands: Sequence[str]) -> Path:
    """The folder that holds ``commands``, each checked by its hash where we built it.

    Raises:
        RuntimeError: some are missing; the message says how to get them. Nothing is built here, since that takes
            minutes and a test has a deadline.
    """
    script = _repository() / "scripts" / "kubernetes.py"
    if not script.exists():
        return _assets(commands, script)
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, str(script), "--find", *commands], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return Path(done.stdout.strip())


def _repository() -> Path:
    """This file is ``operator/src/speechpipe_operator/testing/binaries.py`` below it."""
    return Path(__file__).resolve().parents[4]


def _assets(commands: Sequence[str], script: Path) -> Path:
    folder = os.environ.get(ASSETS)
    if folder is None:
        raise RuntimeError(f"no {script}: outside the repository, set {ASSETS} to a folder with {', '.join(commands)}")
    return Path(folder)
