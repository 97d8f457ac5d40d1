#!/usr/bin/env python3
"""What llama.cpp's samplers leave of random rows of logits, beside tests/golden/samplers.txt.

    compare_samplers.py [--write]

Without --write: fails when llama.cpp's answers are not those of the file, which tests/sampling holds pronk to.
With it: writes the file. Needs llama-cpp-python 0.3.36.

A line: SAMPLER PARAMETERS | ROW SEED SIZE SPREAD | TOKENS SO FAR | ANSWER. A row is random_row() of its seed; an answer is
the kept tokens in ascending order, or for penalties and dry the changed logits as TOKEN:LOGIT.
"""
import ctypes
import pathlib
import random
import sys

import llama_cpp as L

GOLDEN = pathlib.Path(__file__).parent.parent / "tests/golden/samplers.txt"
MASK = (1 << 64) - 1


def random_bits(seed, position):
    """src/base/rng.h"""
    z = (seed + 0x9E3779B97F4A7C15 * (position + 1)) & MASK
    for _ in range(2):
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        z ^= z >> 31
        z = (z + seed) & MASK
    return z


def random_row(seed, size, spread):
    """Bell-shaped, and exact in float32: spread/256 times the sum of three 10-bit numbers."""
    row = []
    for i in range(size):
        bits = random_bits(seed, i)
        row.append((sum((bits >> shift) & 1023 for shift in (10, 20, 30)) - 1536) * spread / 256)
    return row


def apply(sampler, row):
    """The candidates that the sampler leaves: {token: logit}."""
    data = (L.llama_token_data * len(row))(*[L.llama_token_data(i, x, 0) for i, x in enumerate(row)])
    array = L.llama_token_data_array(data, len(row), -1, False)
    L.llama_sampler_apply(sampler, ctypes.byref(array))
    left = {array.data[i].id: array.data[i].logit for i in range(array.size)}
    L.llama_sampler_free(sampler)
    return left


def dry(multiplier, base, allowed, last_n):
    """Without breakers, and so without a vocabulary: pronk finds breakers in the text, llama.cpp in tokens."""
    return L.llama_sampler_init_dry(None, multiplier, base, allowed, last_n, None, 0)


FILTERS = {
    "top_k": lambda k: L.llama_sampler_init_top_k(int(k)),
    "top_p": lambda p: L.llama_sampler_init_top_p(p, 0),
    "min_p": lambda p: L.llama_sampler_init_min_p(p, 0),
    "typical": lambda p: L.llama_sampler_init_typical(p, 0),
    "xtc": lambda threshold: L.llama_sampler_init_xtc(1.0, threshold, 0, 1),
    # mu starts at 2 tau, and is what decides
    "mirostat": lambda mu: L.llama_sampler_init_mirostat_v2(1, mu / 2, 0.1),
}


def lines():
    rng = random.Random(3)
    for name, make in FILTERS.items():
        for case in range(12):
            size, spread = rng.choice([2, 20, 300]), rng.choice([1, 2, 3])
            parameter = {"top_k": rng.randint(1, 40), "mirostat": rng.randint(8, 60) / 8,
                         "xtc": rng.randint(1, 16) / 64}.get(name, rng.randint(1, 63) / 64)
            left = apply(make(parameter), random_row(case, size, spread))
            yield f"{name} {parameter} | {case} {size} {spread} | | {' '.join(map(str, sorted(left)))}"
    changing = [("penalties", lambda r, p, f, n: (n, r, f, p)), ("dry", None)]
    for name, order in changing:
        for case in range(12):
            text = [rng.randint(0, 5) for _ in range(rng.randint(3, 60))]
            if order:
                parameters = (rng.randint(64, 96) / 64, rng.randint(-32, 32) / 64, rng.randint(-32, 32) / 64,
                              rng.choice([4, 20, 64]))
                sampler = L.llama_sampler_init_penalties(20, *order(*parameters))
            else:
                parameters = (rng.randint(16, 96) / 64, rng.choice([1.25, 1.75]), rng.randint(1, 3), rng.choice([8, 64]))
                sampler = dry(*parameters)
            for token in text:
                L.llama_sampler_accept(sampler, token)
            row = random_row(case, 20, 2)
            left = apply(sampler, row)
            changed = [f"{t}:{x:.9g}" for t, x in sorted(left.items()) if x != row[t]]
            yield (f"{name} {' '.join(map(str, parameters))} | {case} 20 2 | {' '.join(map(str, text))} | "
                   f"{' '.join(changed)}")


def main():
    now = "".join(line + "\n" for line in lines())
    if "--write" in sys.argv[1:]:
        GOLDEN.write_text(now)
        print(f"{GOLDEN}: {now.count(chr(10))} cases")
        return 0
    if GOLDEN.read_text() == now:
        print(f"samplers: llama.cpp gives the answers of {GOLDEN.name}, all {now.count(chr(10))}")
        return 0
    print(f"samplers: llama.cpp's answers differ from {GOLDEN}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
