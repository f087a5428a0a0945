"""What the chart's tests share: Helm, and two clusters without a kubelet of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts" / "monitoring"))

from helm import CHART, Helm

pytest_plugins = ["speechpipe_common.testing", "speechpipe_operator.testing.fixtures"]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def helm_command() -> Path:
    """The pinned Helm; `make helm` has built it."""
    script = ROOT / "scripts" / "kubernetes.py"
    done = subprocess.run([sys.executable, str(script), "--find", "helm"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip()) / "helm"


@pytest.fixture
def helm(helm_command: Path, tmp_path: Path) -> Helm:
    """Helm with no cluster: it lints and renders."""
    return Helm(helm_command, tmp_path, CHART)
