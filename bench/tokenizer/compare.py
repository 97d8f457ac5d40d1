#!/usr/bin/env python3
"""Encoding speed beside Hugging Face's tokenizers on one long text, one core each: MB/s of processor time, best of 5.

Usage: compare.py --bench build/bench/tokenizer_bench TOKENIZER.json TEXT [TEXT ...]      (needs tokenizers)
Both must give the same number of tokens.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
from tokenizers import Tokenizer  # noqa: E402


def theirs(tokenizer, text):
    best = float("inf")
    for _ in range(5):
        start = time.process_time()
        count = len(tokenizer.encode(text, add_special_tokens=False).ids)
        best = min(best, time.process_time() - start)
    return len(text.encode()) / best, count


def ours(bench, tokenizer, path):
    environment = os.environ | {"PRONK_BENCH_TOKENIZER": str(tokenizer), "PRONK_BENCH_TEXT": str(path)}
    command = [bench, "--benchmark_filter=encode", "--benchmark_repetitions=5", "--benchmark_format=json"]
    runs = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)["benchmarks"]
    runs = [r for r in runs if r["run_type"] == "iteration"]
    if "error_message" in runs[0]:
        sys.exit(f"{path}: {runs[0]['error_message']}")
    # bytes_per_second is by processor time
    return max(r["bytes_per_second"] for r in runs), int(runs[0]["tokens"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bench", type=pathlib.Path, required=True)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("texts", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    tokenizer = Tokenizer.from_file(str(args.tokenizer))
    tokenizer.encode_special_tokens = True
    print(f"{'text':40} {'bytes':>10} {'tokens':>9} {'tokenizers':>11} {'pronk':>11} {'times':>6}")
    for path in args.texts:
        text = path.read_bytes().decode()  # newlines as they are
        their_speed, their_count = theirs(tokenizer, text)
        speed, count = ours(args.bench, args.tokenizer, path)
        if count != their_count:
            sys.exit(f"{path}: {count} tokens, tokenizers gives {their_count}")
        print(f"{path.name:40} {path.stat().st_size:>10} {count:>9} {their_speed / 1e6:>6.1f} MB/s {speed / 1e6:>6.1f} MB/s {speed / their_speed:>5.0f}x")


main()
