#!/usr/bin/env python3
"""Compares pronk's logits and greedy text with transformers (PyTorch, float32) on the same dequantized GGUF weights.

    tools/compare_transformers.py build/release/pronk SmolLM2-135M-Instruct.Q4_1.gguf [--long FILE...] [--precision fp32]

At every position of every prompt: max |Δlogit| <= 2e-3, and the same best token wherever the reference's two best differ by more
than that. Greedy: 200 tokens, equal up to the reference's first such near-tie. Token ids come from `pronk tokenize`, both sides
read the same. Exit code 1 when a bound is broken. Needs torch, transformers, gguf, numpy.
"""
import argparse
import pathlib
import sys

import gguf
import numpy
import torch
import transformers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python" / "reference"))
import llama  # noqa: E402
from pronk_program import Pronk  # noqa: E402

BOUND = 2e-3
GREEDY_TOKENS = 200
PROMPTS = [
    "The capital of France is", "Once upon a time, in a village by the sea,", "def fibonacci(n):\n    if n < 2:\n        return n\n    return ",
    "#include <stdio.h>\n\nint main(void) {\n  for (int i = 0; i < 10; ++i) {\n", "SELECT name, count(*) FROM users WHERE ",
    "春眠不觉晓，处处闻啼鸟。", "人工智能是计算机科学的一个分支，它", "Привет, как дела?", "¿Dónde está la biblioteca?", "日本の首都は",
    "안녕하세요, 오늘 날씨가", "The quick brown fox jumps over the lazy dog. " * 12, "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,",
    "Q: What is 17 * 23?\nA:", "\n\n\n   \t  x", "🙂🚀 emoji and naïve café — “quotes”", "E = mc^2 means that",
    "<|im_start|>user\nWhat is gravity?<|im_end|>\n<|im_start|>assistant\n", "{\"name\": \"Ada\", \"born\": 1815, \"fields\": [",
    "Dear Sir or Madam,\n\nI am writing to",
]


def reference_model(path):
    """transformers' Llama with the GGUF's values."""
    c, weights = llama.load_gguf(path)
    config = transformers.LlamaConfig(**{k: v for k, v in c.to_hugging_face().items() if k not in ("architectures", "model_type", "torch_dtype")})
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config)
    model = model.to_empty(device="cpu")
    model.model.rotary_emb = type(model.model.rotary_emb)(config=config)
    if c.tied_output:
        weights["lm_head.weight"] = weights["model.embed_tokens.weight"]
    model.load_state_dict(weights, strict=True)
    return model.float().eval()


def compare(found, expected):
    """(max |Δ|, wrong best tokens, positions that a near-tie excuses)"""
    best_two = numpy.sort(expected, axis=1)[:, -2:]
    clear = best_two[:, 1] - best_two[:, 0] > BOUND
    differs = found.argmax(1) != expected.argmax(1)
    return float(numpy.abs(found - expected).max()), int((differs & clear).sum()), int((~clear).sum())


def read_control_tokens(path):
    types = gguf.GGUFReader(path).fields["tokenizer.ggml.token_type"].contents()
    return {i for i, kind in enumerate(types) if kind == gguf.TokenType.CONTROL}


def greedy(reference, pronk, prompt, control_tokens, precision):
    """How many greedy tokens agree, and whether a difference was a near-tie."""
    ids = pronk.tokenize(prompt, "--specials")  # as `run --raw` reads it
    out = reference.generate(torch.tensor([ids]), max_new_tokens=GREEDY_TOKENS, min_new_tokens=GREEDY_TOKENS, do_sample=False, eos_token_id=None,
                             output_logits=True, return_dict_in_generate=True)
    said = out.sequences[0, len(ids):].tolist()
    gaps = [float(row[0].topk(2).values.diff().abs()) for row in out.logits]
    first_tie = next((i for i, gap in enumerate(gaps) if gap <= BOUND), GREEDY_TOKENS)
    expected = pronk.detokenize([t for t in said[:first_tie] if t not in control_tokens])  # `run` writes text, not control tokens
    text = pronk.call("run", pronk.model, "-p", prompt, "--raw", "-n", str(GREEDY_TOKENS), "--temp", "0", "--ignore-eos", "--precision", precision)
    return first_tie, text.startswith(expected)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("pronk")
    arguments.add_argument("gguf")
    arguments.add_argument("--long", nargs="*", default=[], help="texts whose first 2,000 tokens are read")
    arguments.add_argument("--precision", default="fp32")
    arguments = arguments.parse_args()
    pronk = Pronk(arguments.pronk, arguments.gguf)
    reference, control_tokens = reference_model(arguments.gguf), read_control_tokens(arguments.gguf)
    prompts = [(p[:24].replace("\n", " "), pronk.tokenize(p, "--specials")) for p in PROMPTS]
    prompts += [(pathlib.Path(f).name, pronk.tokenize(pathlib.Path(f).read_text(encoding="utf-8")[:20000])[:2000]) for f in arguments.long]
    worst, wrong_total, good = 0.0, 0, True
    with torch.no_grad():
        for label, ids in prompts:
            difference, wrong, ties = compare(pronk.logits(ids, "--precision", arguments.precision), reference(torch.tensor([ids])).logits[0].numpy())
            worst, wrong_total = max(worst, difference), wrong_total + wrong
            print(f"{len(ids):5} tokens  max |Δ| {difference:.1e}  wrong best {wrong}  near-ties {ties}  {label!r}", flush=True)
        for prompt in PROMPTS:
            count, same = greedy(reference, pronk, prompt, control_tokens, arguments.precision)
            good &= same
            print(f"greedy: {'the same' if same else 'ANOTHER'} text for {count} tokens  {prompt[:24]!r}", flush=True)
    good &= worst <= BOUND and wrong_total == 0
    print(f"{len(prompts)} prompts, max |Δ| {worst:.2e} (bound {BOUND}), wrong best tokens {wrong_total}: {'good' if good else 'BROKEN'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
