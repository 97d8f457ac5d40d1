#!/usr/bin/env bash
# clang-tidy over src/: first the files that this branch changed since BASE, then the others, beginning at a place that
# the commit's hash chooses, until SECONDS have passed; so each landing pays a bounded time and all files come up in turn.
# Usage: tools/run_tidy.sh BUILD_FOLDER SECONDS [BASE]        BUILD_FOLDER has compile_commands.json; SECONDS 0: no bound
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh
build_folder=${1:?usage: tools/run_tidy.sh BUILD_FOLDER SECONDS [BASE]}
seconds=${2:?usage: tools/run_tidy.sh BUILD_FOLDER SECONDS [BASE]}
base=${3:-HEAD~1}

mapfile -t changed < <(git diff --name-only --diff-filter=d "$base" -- 'src/*.cc' 2>/dev/null)
mapfile -t all < <(git ls-files 'src/*.cc')
start=$((0x$(git rev-parse --short=6 HEAD) % ${#all[@]}))
others=("${all[@]:start}" "${all[@]:0:start}")
mapfile -t files < <(printf '%s\n' "${changed[@]}" "${others[@]}" | sed '/^$/d' | awk '!seen[$0]++')

started=$SECONDS checked=0 status=0
for file in "${files[@]}"; do
  ((seconds == 0 || SECONDS - started < seconds)) || break
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || status=1; done
  # The flags are g++'s.
  clang-tidy --quiet -p "$build_folder" --extra-arg=-Wno-unknown-warning-option "$file" 2>/dev/null &
  checked=$((checked + 1))
done
while (($(jobs -p | wc -l) > 0)); do wait -n || status=1; done
echo "clang-tidy: $checked of ${#files[@]} files in $((SECONDS - started)) s, ${#changed[@]} of them changed since $base" >&2
exit $status
