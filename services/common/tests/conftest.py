"""Fixtures that all members share; helper modules here are importable."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["speechpipe_common.testing"]
