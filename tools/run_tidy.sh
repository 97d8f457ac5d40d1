#!/usr/bin/env bash
# clang-tidy over src/: the files that changed since BASE, or all of them, as far as the build has them.
# Usage: tools/run_tidy.sh BUILD_FOLDER [BASE]        BUILD_FOLDER has compile_commands.json; without BASE: all
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh
build_folder=${1:?usage: tools/run_tidy.sh BUILD_FOLDER [BASE]}
base=${2:-}

if [[ $base ]]; then
  mapfile -t files < <(git diff --name-only --diff-filter=d "$base" -- 'src/*.cc')
else
  mapfile -t files < <(git ls-files 'src/*.cc')
fi

started=$SECONDS status=0
for file in "${files[@]}"; do
  grep -q "\"file\": \".*/$file\"" "$build_folder/compile_commands.json" || continue  # another CPU family's
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n || status=1; done
  # The flags are g++'s.
  clang-tidy --quiet -p "$build_folder" --extra-arg=-Wno-unknown-warning-option "$file" 2>/dev/null &
done
while (($(jobs -p | wc -l) > 0)); do wait -n || status=1; done
echo "clang-tidy: ${#files[@]} files in $((SECONDS - started)) s" >&2
exit $status
