#!/usr/bin/env python3
"""The project's goals of speed beside what is measured: one table, pronk and its peers taking turns.

    bench/goals.py --models FOLDER [--pronk build/release/pronk] [-t 2] [--rounds 3] [--only TEXT] [--longest 4096]

FOLDER holds GGUF files by the names in WORKLOADS (random weights do: speed does not depend on them); a file that is not there is left out and
named at the end. Run it with the Python of build/peers, as bench/peers.py. Each cell of a peer is `ratio (goal)`, pronk's figure over the peer's.
"""
import argparse
import pathlib
import sys

import peers

# file, prompt, reply, sequences, cache, [(figure, goal against llama.cpp, against OpenVINO, percent of the measured limit)]
WORKLOADS = [
    ("smollm2-q4_1.gguf", 512, 64, 1, "bf16", [("prefill", 6.0, 1.4, 64), ("decode", 2.2, 1.8, 92)]),
    ("1b-q4_0.gguf", 512, 64, 1, "bf16", [("prefill", 2.6, 1.4, 64), ("decode", 1.15, 1.8, 92)]),
    ("1b-q4_0.gguf", 2048, 1, 1, "bf16", [("prefill", 2.6, 1.4, 64)]),
    ("1b-q4_k_m.gguf", 512, 64, 1, "bf16", [("prefill", 2.6, 1.35, 58), ("decode", 1.3, 1.8, 92)]),
    ("1b-q5_k_m.gguf", 512, 64, 1, "bf16", [("prefill", 1.6, None, 58), ("decode", 1.3, None, 92)]),
    ("1b-q6_k.gguf", 512, 64, 1, "bf16", [("prefill", 1.8, 1.9, 55), ("decode", 1.3, 1.8, 92)]),
    ("1b-q8_0.gguf", 512, 64, 1, "bf16", [("prefill", 4.5, 1.4, 62), ("decode", 1.3, 1.8, 92)]),
    ("1b-bf16.gguf", 512, 64, 1, "bf16", [("prefill", 1.4, None, 75), ("decode", 1.3, None, 92)]),
    ("1b-q4_0.gguf", 16, 64, 8, "bf16", [("decode", 3.0, 2.0, None)]),
    ("1b-q4_0.gguf", 16, 64, 32, "bf16", [("decode", 3.2, 1.8, None)]),
    ("1b-q4_0.gguf", 32768, 32, 1, "int8", [("prefill", 3.5, 1.5, None), ("decode", 2.0, 1.5, 88)]),
    ("8b-q4_0.gguf", 512, 32, 1, "bf16", [("prefill", 2.6, 1.4, 64), ("decode", 1.15, 1.8, 92)]),
    ("8b-q8_0.gguf", 512, 32, 1, "bf16", [("prefill", 4.5, 1.4, 62), ("decode", 1.3, 1.8, 92)]),
]


def ratio(result, peer, figure, goal):
    theirs = result.get(peer, {}).get(figure)
    if not theirs:
        return "-"
    return f"{result['pronk'][figure] / theirs:.2f}" + (f" ({goal})" if goal else "")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--models", type=pathlib.Path, required=True)
    p.add_argument("--pronk", default="build/release/pronk")
    p.add_argument("-t", "--threads", type=int, default=2)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--peers", default="llama.cpp,openvino")
    p.add_argument("--only", default="", help="workloads whose file's name contains this")
    p.add_argument("--longest", type=int, default=4096, help="prompts of more tokens are left out (32768 takes many minutes)")
    a = p.parse_args()
    missing = []
    print("| workload | pronk tokens/s | of llama.cpp's | of OpenVINO's | % of the limit |\n|---|---|---|---|---|")
    for name, a.prompt, a.generate, a.batch, a.kv, goals in WORKLOADS:
        if a.only not in name or a.prompt > a.longest:
            continue
        path = a.models / name
        if not path.exists():
            missing.append(name)
            continue
        a.pronk_flag = ["-r", "1"]
        result = peers.compare(a, str(path))
        for label, llama_cpp, openvino, limit in goals:
            figure = f"{label}_tps"
            percent = result["pronk"].get(f"{label}_percent_of_limit")
            how = (f", {a.batch} together" if a.batch > 1 else "") + (f", {a.kv} cache" if a.kv != "bf16" else "")
            print(f"| {name} {label}, {a.prompt} + {a.generate}{how} | {result['pronk'][figure]:.1f} | {ratio(result, 'llama.cpp', figure, llama_cpp)} | "
                  f"{ratio(result, 'openvino', figure, openvino)} | {percent:.0f}{f' ({limit})' if limit else ''} |", flush=True)
    if missing:
        print(f"not there, left out: {', '.join(sorted(set(missing)))}", file=sys.stderr)


if __name__ == "__main__":
    main()
