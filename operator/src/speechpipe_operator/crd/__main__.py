"""``python -m speechpipe_operator.crd FILE PAGE`` writes the definition and the reference page."""

import sys
from pathlib import Path

from speechpipe_operator.crd import manifest, page

Path(sys.argv[1]).write_text(manifest(), encoding="utf-8")
Path(sys.argv[2]).write_text(page(), encoding="utf-8")
