"""``python -m speechpipe_operator.crd DEFINITION PAGE`` writes the definition (YAML) and the reference page."""

import sys
from pathlib import Path

from speechpipe_operator.crd import manifest, page

for _file, _text in zip(sys.argv[1:], (manifest(), page()), strict=True):
    Path(_file).write_text(_text, encoding="utf-8")
