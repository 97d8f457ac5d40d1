#!/usr/bin/env python3
"""Writes tests/data/tensor: what the PyPI package `gguf` makes of random blocks, and of random values as blocks.

For a type T: T.dequantized = 1024 values as stored blocks, then the 1024 float32 that gguf reads from them.
values.f32 = 2048 float32, T.quantized = gguf's blocks of them.
Usage: make_tensor_goldens.py OUT_FOLDER     (needs numpy and gguf; ./test --peers has both)
"""
import pathlib
import sys

import gguf
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType as T

# Where the halfs of a block stand: they are drawn as plain numbers, since NaN has no one bit pattern.
HALFS = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q2_K: [80, 82], T.Q3_K: [108],
         T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208], T.IQ4_NL: [0], T.IQ4_XS: [0], T.MXFP4: []}
QUANTIZED = [T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0]


def random_blocks(rng, kind, values):
    size, num_bytes = GGML_QUANT_SIZES[kind]
    blocks = rng.integers(0, 256, (values // size, num_bytes), dtype=np.uint8)
    for at in HALFS[kind]:
        scales = (rng.standard_normal(len(blocks)) * 0.05).astype(np.float16)
        scales[:4] = [0.0, 6e-8, -65504.0, 1.0][:len(scales[:4])]  # zero, subnormal, largest
        blocks[:, at:at + 2] = scales.view(np.uint8).reshape(-1, 2)
    return blocks


def random_values(rng):
    x = rng.standard_normal((64, 32)).astype(np.float32)
    x[0] = 0
    x[1] = 0.75
    x[2] *= 1e-6
    x[3] *= 3e4
    x[4, 5] = 1000
    x[5] = np.arange(32) * 0.5 - 8  # ties
    x[6] = np.where(np.arange(32) % 2, 1.0, -1.0)  # two values of largest magnitude
    x[7] = -np.abs(x[7])
    return x


def main():
    out = pathlib.Path(sys.argv[1])
    rng = np.random.default_rng(20261123)
    for kind in HALFS:
        blocks = random_blocks(rng, kind, 1024)
        with np.errstate(all="ignore"):
            values = gguf.quants.dequantize(blocks, kind).astype("<f4")
        (out / f"{kind.name}.dequantized").write_bytes(blocks.tobytes() + values.tobytes())
    x = random_values(rng)
    (out / "values.f32").write_bytes(x.astype("<f4").tobytes())
    for kind in QUANTIZED:
        (out / f"{kind.name}.quantized").write_bytes(gguf.quants.quantize(x, kind).tobytes())


if __name__ == "__main__":
    main()
