"""Lets the tests import the benches' modules, which are scripts beside each other."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
