#!/usr/bin/env bash
# Cross-compiles pronk for arm64 on an x86-64 Debian, runs the unit tests under qemu-user, and compares logits with those of this CPU's
# AVX2 kernels, which are the same bits. Installs what it needs (a cross compiler, qemu-user, the libraries' arm64 packages).
#   tools/check_arm64.sh [MODEL]     models/tiny.gguf unless said
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh

model=${1:-models/tiny.gguf}
packages=(g++-aarch64-linux-gnu qemu-user)
for package in libboost-json1.81-dev libfmt-dev libcurl4-openssl-dev libssl-dev zlib1g-dev libedit-dev libgtest-dev libgmock-dev; do
  packages+=("$package:arm64")
done
dpkg --print-foreign-architectures | grep -qx arm64 || as_root dpkg --add-architecture arm64
install_packages "${test_packages[@]}" "${packages[@]}"

say "building build/arm64 and this CPU's program"
cmake -S . -B build/arm64 -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_TOOLCHAIN_FILE=cmake/arm64-linux.cmake >&2
cmake --build build/arm64 --parallel "$(num_jobs)" >&2
build release -- pronk
NM=aarch64-linux-gnu-nm tools/check_weak_symbols.sh build/arm64

# logits FLAGS PROGRAM...: the checksum of what it writes.
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
logits() {
  local flags=$1
  shift
  # shellcheck disable=SC2086
  "$@" logits "$model" -p "The sea was calm, and the boats lay at anchor." $flags -o "$folder/logits.npy" -q
  sha256sum <"$folder/logits.npy"
}
for flags in "--precision fast" "--precision high" "--precision fp32" "--kv int8" "--precision high --kv int8"; do
  here=$(PRONK_ISA=avx2 logits "$flags" build/release/pronk)
  there=$(PRONK_ISA=neon_dotprod logits "$flags" qemu-aarch64 build/arm64/pronk)
  [[ $here == "$there" ]] || die "logits of $model with $flags are not those of avx2"
  say "logits of $model with $flags: the same bits as avx2"
done

# Not under qemu: what starts the program (label e2e), and what kills a process that does.
PRONK_FEW_WAYS=1 ctest --test-dir build/arm64 -L unit -E AKilledPull --parallel "$(num_jobs)" --output-on-failure
