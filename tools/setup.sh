# shellcheck shell=bash disable=SC2034
# Sourced by ./quickstart, ./test and .ci/run: what they share. Bash; the caller has set -euo pipefail.

build_packages=(g++ cmake ninja-build pkg-config libboost-json1.81-dev libfmt-dev libcurl4-openssl-dev
  libssl-dev zlib1g-dev libedit-dev ca-certificates)
test_packages=("${build_packages[@]}" libgtest-dev libgmock-dev)
clang_packages=(clang libclang-rt-14-dev)
ci_packages=("${test_packages[@]}" "${clang_packages[@]}" clang-tidy clang-format python3 git)
default_model=smollm2:135m

if [[ -t 2 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '%s==> %s%s\n' "$bold" "$*" "$plain" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Under sudo, in a folder that belongs to the user: root installs the packages, the user does the rest, so that the build
# and the model stay theirs. Call once, with the script's arguments, after install_packages.
go_on_as_user() {
  [[ $EUID == 0 && ${SUDO_UID:-0} != 0 && $(stat -c %u .) == "$SUDO_UID" ]] || return 0
  say "going on as $SUDO_USER"
  exec sudo --preserve-env --set-home --user="$SUDO_USER" -- "$0" "$@"
}

as_root() {
  if [[ $EUID == 0 ]]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "packages are missing and only root may install them; run as root: $*"
  fi
}

# is_installed PACKAGE[:ARCHITECTURE]: for this machine, unless said; packages of all architectures count.
is_installed() {
  local architecture=${1#*:}
  [[ $1 == *:* ]] || architecture=$(dpkg --print-architecture)
  local statuses
  statuses=$(dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "${1%%:*}" 2>/dev/null) || return 1
  [[ $'\n'$statuses$'\n' == *$'\n'"installed $architecture"$'\n'* || $statuses == 'installed all' ]]
}

# install_packages PACKAGE...: those that are missing, by apt. With all there it needs neither root nor network.
install_packages() {
  local package missing=()
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "not a Debian system: make sure that you have what Debian 12 calls $*"
    return
  fi
  for package; do is_installed "$package" || missing+=("$package"); done
  if [[ ${#missing[@]} == 0 ]]; then
    say "packages: all $# are installed"
    return
  fi
  say "packages: installing ${missing[*]}"
  as_root apt-get update -q >&2 || say "apt-get update failed; trying with the package lists that are here"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get could not install ${missing[*]}; is there a network, and is this Debian 12 or newer?"
}

# Compilers at work together: one per core, and 1.5 GB of memory for each.
num_jobs() {
  local cores memory_kb
  cores=$(nproc)
  memory_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  local by_memory=$((memory_kb / 1500000))
  ((by_memory < 1)) && by_memory=1
  echo $((cores < by_memory ? cores : by_memory))
}

# build PRESET [CMAKE_OPTION...] [-- TARGET...]: configures and builds build/PRESET.
build() {
  local preset=$1 options=() targets=()
  shift
  while [[ $# -gt 0 && $1 != -- ]]; do options+=("$1"); shift; done
  [[ $# -gt 0 ]] && shift && targets=(--target "$@")
  say "building build/$preset with $(num_jobs) compilers at a time"
  cmake --preset "$preset" "${options[@]}" >&2
  cmake --build "build/$preset" --parallel "$(num_jobs)" "${targets[@]}" >&2
}
