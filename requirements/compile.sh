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
  clients/pyproject.toml --extra microphone --extra desktop --extra demo --extra load "$@"
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
  --override requirements/easynmt-overrides.txt \
  --output-file requirements/easynmt.txt \
  requirements/easynmt.in services/common/pyproject.toml --extra service \
  services/translate/pyproject.toml --extra ctranslate2 --extra easynmt "$@"
"$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
  --output-file requirements/go.txt requirements/go.in "$@"
# One lock for each image, at the versions of dev.txt: what is shipped is what was tested.
compile_image() {
  local image=$1
  shift
  "$uv" pip compile --quiet --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
    --override requirements/overrides.txt --constraint requirements/dev.txt \
    --output-file "requirements/images/$image.txt" "$@"
}
service=(services/common/pyproject.toml --extra service)
compile_image build requirements/images/build.in
compile_image gateway "${service[@]}" services/gateway/pyproject.toml
compile_image stt "${service[@]}" services/stt/pyproject.toml
compile_image translation "${service[@]}" services/translate/pyproject.toml --extra ctranslate2
compile_image operator "${service[@]}" operator/pyproject.toml
compile_image client services/common/pyproject.toml clients/pyproject.toml --extra verify --extra verify
compile_image valkey requirements/images/valkey.in
# CTranslate2 looks for NVIDIA's libraries when it finds a GPU; the driver comes from the node.
compile_image stt-cuda "${service[@]}" services/stt/pyproject.toml requirements/images/cuda.in
compile_image translation-cuda "${service[@]}" services/translate/pyproject.toml --extra ctranslate2 requirements/images/cuda.in
