#!/usr/bin/env python3
"""Regenerates tests/golden: what the PyTorch reference computes for two small models.

    python3 python/reference/make_goldens.py          (needs torch, numpy, safetensors, gguf)

  tests/golden/random_llama/   a Hugging Face folder of random weights (grouped queries, llama3 RoPE scaling, untied output),
                               with golden.safetensors: tokens, every value by name, logits, 10 greedy tokens
  tests/golden/tiny.safetensors   the same for models/tiny.gguf, its values after each layer only
"""
import json
import pathlib

import torch
from safetensors.torch import save_file

import llama

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
SCALING = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
RANDOM = llama.Config(num_layers=2, model_dim=24, ffn_dim=40, num_heads=4, num_kv_heads=2, head_dim=10, vocab_size=50,
                      norm_eps=1e-5, rope_theta=500.0, max_context=128, rope_scaling=SCALING, tied_output=False)


def golden(c, w, tokens, keep=lambda name: True):
    """All that a test compares. Computed in float64, so that the golden's own rounding is nothing."""
    exact = {name: t.double() for name, t in w.items()}
    values = {}
    def trace(name, value):
        if keep(name):
            values[name] = value.float().contiguous().clone()
    with torch.no_grad():
        llama.forward(c, exact, torch.tensor(tokens), trace)
    as_ids = lambda ids: torch.tensor(ids, dtype=torch.int32)
    return values | {"tokens": as_ids(tokens), "greedy": as_ids(llama.generate(c, exact, tokens, 10))}


def main():
    folder = GOLDEN / "random_llama"
    folder.mkdir(parents=True, exist_ok=True)
    weights = llama.random_weights(RANDOM, seed=31, std=0.25)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    (folder / "config.json").write_text(json.dumps(RANDOM.to_hugging_face(), indent=2) + "\n")
    save_file(golden(RANDOM, weights, [3, 1, 41, 5, 9, 26, 5, 35, 49, 0, 7]), folder / "golden.safetensors")

    c, w = llama.load_gguf(ROOT / "models" / "tiny.gguf")
    last_of_layer = lambda name: name.endswith("add_1") or name in ("model.embed_tokens", "lm_head")
    save_file(golden(c, w, list(range(300, 312)), last_of_layer), GOLDEN / "tiny.safetensors")
    for path in GOLDEN.rglob("*.safetensors"):
        path.chmod(0o644)


if __name__ == "__main__":
    main()
