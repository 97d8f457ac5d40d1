#!/usr/bin/env python3
"""Compares pronk with llama-cpp-python on the same GGUF: prompt tokens, perplexity, and distance to the exact reading.

    tools/compare_llama_cpp.py build/release/pronk SmolLM2-135M-Instruct.Q4_1.gguf TEXT...

Tokens: equal ids for every text. Perplexity of the first 100 KB of the first text, read in windows of 1,024 tokens: within 0.5 % of llama.cpp's.
Mean KL divergence to pronk's fp32 reading, over windows of all texts (files of one ending are one text): --precision high at most 5e-5, the
default at most 1.35e-3 and 0.45 of llama.cpp's, an int8 cache adds at most 1e-3. Exit code 1 when a bound is broken. Needs llama-cpp-python, numpy.
"""
import argparse
import pathlib
import sys

import llama_cpp
import numpy

from pronk_program import Pronk

WINDOW = 1024
TEXT_BYTES = 100_000
KL_WINDOWS = 4  # of each text


def log_softmax(logits):
    x = logits.astype(numpy.float64)
    x -= x.max(axis=1, keepdims=True)
    return x - numpy.log(numpy.exp(x).sum(axis=1, keepdims=True))


def divergence(exact, other):
    return (numpy.exp(exact) * (exact - other)).sum(axis=1)


def negative_log_likelihoods(log_probabilities, ids):
    return -log_probabilities[numpy.arange(len(ids) - 1), ids[1:]]


class LlamaCpp:
    def __init__(self, gguf):
        self.llama = llama_cpp.Llama(gguf, n_ctx=WINDOW, n_batch=512, logits_all=True, verbose=False)

    def tokenize(self, text):
        return self.llama.tokenize(text.encode(), add_bos=False, special=False)

    def logits(self, ids):
        self.llama.reset()
        self.llama.eval(ids)
        return numpy.array(self.llama.scores[:len(ids)])


def read_texts(names):
    """(label, text); files of source code are joined."""
    texts, code = [], ""
    for name in map(pathlib.Path, names):
        text = name.read_text(encoding="utf-8")
        if name.suffix == ".cc":
            code += text
        else:
            texts.append((name.name, text.encode()[:TEXT_BYTES].decode(errors="ignore")))
    return texts + ([("source code", code[:TEXT_BYTES])] if code else [])


def windows_of(ids):
    return [ids[i:i + WINDOW] for i in range(0, len(ids) - WINDOW + 1, WINDOW)]


def compare_perplexity(pronk, peer, windows):
    losses = {"pronk": [], "llama.cpp": []}
    for ids in windows:
        losses["pronk"].append(negative_log_likelihoods(log_softmax(pronk.logits(ids)), ids))
        losses["llama.cpp"].append(negative_log_likelihoods(log_softmax(peer.logits(ids)), ids))
    perplexity = {name: float(numpy.exp(numpy.concatenate(values).mean())) for name, values in losses.items()}
    difference = perplexity["pronk"] / perplexity["llama.cpp"] - 1
    print(f"perplexity, {len(windows)} x {WINDOW} tokens: pronk {perplexity['pronk']:.4f}, llama.cpp {perplexity['llama.cpp']:.4f}: "
          f"{100 * difference:+.2f} % (bound 0.5 %)", flush=True)
    return abs(difference) <= 0.005


READINGS = {
    "high": ("--precision", "high"), "high, int8 cache": ("--precision", "high", "--kv", "int8"),
    "fast": (), "fast, int8 cache": ("--kv", "int8"),
}


def compare_divergence(pronk, peer, windows):
    """The mean divergence of each reading from fp32, by name."""
    found = {}
    for ids in windows:
        exact = log_softmax(pronk.logits(ids, "--precision", "fp32"))
        for name, flags in READINGS.items():
            found.setdefault(name, []).append(divergence(exact, log_softmax(pronk.logits(ids, *flags))))
        found.setdefault("llama.cpp", []).append(divergence(exact, log_softmax(peer.logits(ids))))
    return {name: float(numpy.concatenate(values).mean()) for name, values in found.items()}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("pronk")
    arguments.add_argument("gguf")
    arguments.add_argument("texts", nargs="+")
    arguments = arguments.parse_args()
    pronk, peer = Pronk(arguments.pronk, arguments.gguf), LlamaCpp(arguments.gguf)
    good, divergences = True, []
    for number, (label, text) in enumerate(read_texts(arguments.texts)):
        ids = pronk.tokenize(text)
        same = ids == peer.tokenize(text)
        good &= same
        print(f"{label}: {len(ids)} tokens, {'the same' if same else 'OTHERS'}", flush=True)
        windows = windows_of(ids)
        if number == 0:
            good &= compare_perplexity(pronk, peer, windows)
        means = compare_divergence(pronk, peer, windows[::max(1, len(windows) // KL_WINDOWS)][:KL_WINDOWS])
        divergences.append(means)
        print("  mean KL to fp32: " + ", ".join(f"{name} {value:.2e}" for name, value in means.items()), flush=True)
    mean = {name: float(numpy.mean([d[name] for d in divergences])) for name in divergences[0]}
    print("all texts: " + ", ".join(f"{name} {value:.2e}" for name, value in mean.items()) +
          f"; fast / llama.cpp {mean['fast'] / mean['llama.cpp']:.2f}")
    good &= mean["high"] <= 5e-5 and mean["fast"] <= 1.35e-3 and mean["fast"] <= 0.45 * mean["llama.cpp"]
    good &= all(mean[f"{name}, int8 cache"] - mean[name] <= 1e-3 for name in ("high", "fast"))
    print("good" if good else "BROKEN")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
