#!/bin/bash
# Fails when an object compiled with wider instructions than the baseline carries a weak symbol: the
# linker may keep that copy for everyone, and a CPU without the instructions dies in it.
# Usage: [NM=aarch64-linux-gnu-nm] tools/check_weak_symbols.sh BUILD_FOLDER
set -eu
build=${1:?usage: tools/check_weak_symbols.sh BUILD_FOLDER}
objects=$(find "$build" -path '*pronk_kernels.dir*' \( -name '*avx*.o' -o -name '*neon*.o' \))
if [ -z "$objects" ]; then
  echo "weak symbols: no wide objects in $build; build the target pronk_kernels first" >&2
  exit 1
fi
status=0
for object in $objects; do
  weak=$("${NM:-nm}" -C "$object" | grep -E ' [WVu] ' | grep -vE '(__asan|__ubsan|__tsan|__odr_asan|DW\.ref)' || true)
  if [ -n "$weak" ]; then
    printf 'weak symbols: %s:\n%s\n' "$object" "$weak" >&2
    status=1
  fi
done
[ $status -eq 0 ] && echo "weak symbols: none in $(echo "$objects" | wc -l) wide objects"
exit $status
