#!/usr/bin/env bash
# Builds every libFuzzer target of tests/fuzz and runs each for SECONDS, as many at a time as there are cores. Fails when
# one finds a crash, a leak or an endless loop; the input that shows it then lies in build/fuzz/findings.
# Usage: tools/run_fuzzers.sh SECONDS [NAME...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh
seconds=${1:?usage: tools/run_fuzzers.sh SECONDS [NAME...]}
shift

names=("$@")
[[ ${#names[@]} -gt 0 ]] || mapfile -t names < <(sed -nE 's/^pronk_fuzz\((\w+).*/\1/p' tests/fuzz/CMakeLists.txt)
build dev -- "${names[@]/%/_fuzz}"
mkdir -p build/fuzz/findings

run_one() {
  local name=$1 seeds=()
  mkdir -p "build/fuzz/corpus/$name"
  [[ ! -d tests/fuzz/seeds/$name ]] || seeds=("tests/fuzz/seeds/$name")
  if "build/dev/${name}_fuzz" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="build/fuzz/findings/$name-" "build/fuzz/corpus/$name" "${seeds[@]}" >"build/fuzz/$name.log" 2>&1; then
    echo "fuzz: $name: $(sed -nE 's/^stat::number_of_executed_units: *//p' "build/fuzz/$name.log") inputs, nothing found" >&2
  else
    tail -n 30 "build/fuzz/$name.log" >&2
    echo "fuzz: $name: FAILED; the input is in build/fuzz/findings, the log is build/fuzz/$name.log" >&2
    return 1
  fi
}

say "fuzzing ${#names[@]} parsers for $seconds seconds each: ${names[*]}"
status=0
for name in "${names[@]}"; do
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || status=1; done
  run_one "$name" &
done
while (($(jobs -p | wc -l) > 0)); do wait -n || status=1; done
exit $status
