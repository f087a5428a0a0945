#!/usr/bin/env bash
# Pins every dependency of every member, with hashes and without any index address. Run by `make lock`.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
  --override requirements/overrides.txt \
  --output-file requirements/dev.txt \
  requirements/dev.in services/common/pyproject.toml --extra service services/gateway/pyproject.toml services/stt/pyproject.toml \
  services/translate/pyproject.toml --extra ctranslate2 operator/pyproject.toml --extra local --extra simulate \
  clients/pyproject.toml --extra microphone --extra demo "$@"
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
  --override requirements/easynmt-overrides.txt \
  --output-file requirements/easynmt.txt \
  requirements/easynmt.in services/common/pyproject.toml --extra service \
  services/translate/pyproject.toml --extra ctranslate2 --extra easynmt "$@"
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
  --output-file requirements/go.txt requirements/go.in "$@"
