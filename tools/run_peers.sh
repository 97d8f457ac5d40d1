#!/usr/bin/env bash
# Compares pronk with other implementations: makes build/peers (a Python environment with them) and runs the
# tools/compare_*.py in it.
# Usage: tools/run_peers.sh PRONK
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh
PRONK=$(realpath "${1:?usage: tools/run_peers.sh PRONK}")

packages=(torch transformers tokenizers tiktoken sentencepiece gguf safetensors jinja2 numpy regex)
if [[ ! -e build/peers/.complete ]]; then
  say "making build/peers: ${packages[*]} (some minutes, several GB)"
  python3 -m venv build/peers
  build/peers/bin/pip install --quiet "${packages[@]}" >&2
  say "building llama-cpp-python for this machine (some minutes)"
  # g++ 12 drops the stores to the operand of LDTILECFG as dead, and llama.cpp dies with SIGSEGV on CPUs with AMX.
  CMAKE_ARGS="-DGGML_NATIVE=ON -DCMAKE_CXX_FLAGS='-fno-tree-dse -fno-dse'" CMAKE_BUILD_PARALLEL_LEVEL=$(num_jobs) \
    build/peers/bin/pip install --quiet --no-binary llama-cpp-python llama-cpp-python==0.3.36 >&2
  touch build/peers/.complete
fi

gguf=${PRONK_SMOLLM2:-$("$PRONK" list --json | build/peers/bin/python -c '
import json, sys
print(next((model["path"] for model in json.load(sys.stdin) if model["name"] == sys.argv[1]), ""))' "$default_model")}
shared=${PRONK_SHARED:-../shared}

# compare WHAT_IT_NEEDS SCRIPT ARGUMENT...: says so when a file that it needs is missing, remembers a failure.
failed=()
compare() {
  local needs=$1 script=$2
  shift 2
  if [[ $needs && ! -e $needs ]]; then
    say "$script: skipped, it needs '$needs'"
    return
  fi
  say "$script"
  build/peers/bin/python "tools/$script" "$@" || failed+=("$script")
}

compare "" compare_samplers.py
compare "$shared/data" compare_templates.py "$PRONK" --shared "$shared" ${gguf:+--gguf "$gguf"}
compare "$shared/data" compare_tokenizers.py --pronk "$PRONK" --data "$shared/data" ${gguf:+--gguf "$gguf"}
compare "${gguf:-$default_model}" compare_formats.py "$PRONK" "$gguf" --data "$shared/data"
texts=("$shared/data/corpora/gutenberg/A-Tale-of-Two-Cities_98.txt" "$shared/data/corpora/chinese_tang/poet.tang.12000.json")
[[ -e ${texts[0]} ]] || texts=()
compare "${gguf:-$default_model}" compare_transformers.py "$PRONK" "$gguf" ${texts[0]:+--long "${texts[@]}"}
compare "${texts[0]:-a text of 100 KB}" compare_llama_cpp.py "$PRONK" "$gguf" "${texts[@]}" src/engine/*.cc

[[ ${#failed[@]} == 0 ]] || { say "peers differ: ${failed[*]}"; exit 1; }
say "peers: no difference beyond what each comparison allows"
