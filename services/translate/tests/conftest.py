import sys
from pathlib import Path

pytest_plugins = ["speechpipe_common.testing"]

sys.path.insert(0, str(Path(__file__).parent))
