import sys
from pathlib import Path

pytest_plugins = ["speechpipe_common.testing", "worker_world"]

sys.path.insert(0, str(Path(__file__).parent))
