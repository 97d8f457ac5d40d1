#!/usr/bin/env bash
# Compares pronk with other implementations: makes build/peers (a Python environment with them) and runs every
# tools/compare_*.py in it, from the root of the repository, with the program's path in PRONK.
# Usage: tools/run_peers.sh PRONK
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. tools/setup.sh
PRONK=$(realpath "${1:?usage: tools/run_peers.sh PRONK}")
export PRONK

packages=(torch transformers tokenizers tiktoken sentencepiece gguf safetensors jinja2 numpy regex)
if [[ ! -e build/peers/.complete ]]; then
  say "making build/peers: ${packages[*]} (some minutes, several GB)"
  python3 -m venv build/peers
  build/peers/bin/pip install --quiet "${packages[@]}" >&2
  say "building llama-cpp-python for this machine (some minutes)"
  CMAKE_ARGS=-DGGML_NATIVE=ON CMAKE_BUILD_PARALLEL_LEVEL=$(num_jobs) \
    build/peers/bin/pip install --quiet --no-binary llama-cpp-python llama-cpp-python==0.3.36 >&2
  touch build/peers/.complete
fi

failed=()
for script in tools/compare_*.py; do
  say "$script"
  build/peers/bin/python "$script" || failed+=("$script")
done
[[ ${#failed[@]} == 0 ]] || { say "peers differ: ${failed[*]}"; exit 1; }
say "peers: no difference beyond what each comparison allows"
