import sys
from pathlib import Path

# The tests' own helpers; importlib import mode does not put this folder on the path.
sys.path.insert(0, str(Path(__file__).parent))

pytest_plugins = ["speechpipe_common.testing", "speechpipe_operator.testing.fixtures"]
