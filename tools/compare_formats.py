#!/usr/bin/env python3
"""Compares what `pronk convert` writes with the libraries that own the formats, bit for bit.

    tools/compare_formats.py build/release/pronk SmolLM2-135M-Instruct.Q4_1.gguf [--data ../shared/data]

GGUF to safetensors: every value as the package gguf dequantizes it, q and k in Hugging Face's row order. GGUF to GGUF: the same
blocks. A checkpoint that PyTorch saved (Meta's layout, bfloat16): to safetensors and to GGUF, every value as torch.load reads it.
With --data, where it exists: Llama 3's tiktoken file as tokenizer.json gives tiktoken's ids. Exit code 1 when anything differs. Needs torch, gguf,
safetensors, tokenizers, tiktoken, numpy.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

import gguf
import numpy
import torch
from gguf import quants
from safetensors.torch import load_file

PARTS = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
         "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
         "ffn_norm": "post_attention_layernorm"}
OUTSIDE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
differences = []


def check(what, same):
    print(f"formats: {what}: {'same' if same else 'DIFFERENT'}")
    if not same:
        differences.append(what)


def convert(pronk, source, target):
    subprocess.run([pronk, "convert", source, target], check=True, stdout=subprocess.DEVNULL)
    return target


def read_gguf(path):
    """Values by Hugging Face name, rows of q and k in its order."""
    reader = gguf.GGUFReader(path)
    heads = {"attn_q": int(reader.fields["llama.attention.head_count"].contents()),
             "attn_k": int(reader.fields["llama.attention.head_count_kv"].contents())}
    values = {}
    for tensor in reader.tensors:
        if tensor.name == "rope_freqs.weight":
            continue
        data = quants.dequantize(tensor.data, tensor.tensor_type)
        stem = tensor.name.removesuffix(".weight")
        if stem.startswith("blk."):
            _, layer, part = stem.split(".")
            if part in heads:
                rows = data.shape[0]
                data = data.reshape(heads[part], rows // heads[part] // 2, 2, -1).swapaxes(1, 2).reshape(rows, -1)
            values[f"model.layers.{layer}.{PARTS[part]}.weight"] = data
        else:
            values[f"{OUTSIDE[stem]}.weight"] = data
    return values


def same_values(expected, folder):
    found = {name: tensor.float().numpy() for name, tensor in load_file(folder / "model.safetensors").items()}
    return expected.keys() == found.keys() and all(numpy.array_equal(expected[name], found[name]) for name in expected)


def make_checkpoint(folder, dim=64, layers=3, heads=8, kv_heads=2, ffn=96, vocab=80):
    """A Meta folder with random bfloat16 weights; returns them by Hugging Face name."""
    torch.manual_seed(1)
    head = dim // heads
    shapes = {"tok_embeddings": (vocab, dim), "norm": (dim,), "output": (vocab, dim)}
    for i in range(layers):
        shapes.update({f"layers.{i}.attention.wq": (dim, dim), f"layers.{i}.attention.wk": (kv_heads * head, dim),
                       f"layers.{i}.attention.wv": (kv_heads * head, dim), f"layers.{i}.attention.wo": (dim, dim),
                       f"layers.{i}.feed_forward.w1": (ffn, dim), f"layers.{i}.feed_forward.w2": (dim, ffn),
                       f"layers.{i}.feed_forward.w3": (ffn, dim), f"layers.{i}.attention_norm": (dim,), f"layers.{i}.ffn_norm": (dim,)})
    weights = {f"{name}.weight": torch.randn(shape).bfloat16() for name, shape in shapes.items()}
    folder.mkdir()
    torch.save(weights, folder / "consolidated.00.pth")
    (folder / "params.json").write_text(json.dumps(dict(dim=dim, n_layers=layers, n_heads=heads, n_kv_heads=kv_heads, vocab_size=vocab,
                                                        norm_eps=1e-5, rope_theta=500000.0, use_scaled_rope=True)))
    renamed = {}
    for name, weight in weights.items():
        rotated = heads if ".wq." in name else kv_heads if ".wk." in name else 0
        if rotated:
            weight = weight.view(rotated, head // 2, 2, dim).transpose(1, 2).reshape(-1, dim)
        for meta, ours in [("tok_embeddings", "model.embed_tokens"), ("output.", "lm_head."), ("layers.", "model.layers."),
                           ("attention.wq", "self_attn.q_proj"), ("attention.wk", "self_attn.k_proj"), ("attention.wv", "self_attn.v_proj"),
                           ("attention.wo", "self_attn.o_proj"), ("feed_forward.w1", "mlp.gate_proj"), ("feed_forward.w2", "mlp.down_proj"),
                           ("feed_forward.w3", "mlp.up_proj"), ("attention_norm", "input_layernorm"), ("ffn_norm", "post_attention_layernorm")]:
            name = name.replace(meta, ours)
        renamed["model.norm.weight" if name == "norm.weight" else name] = weight.float().numpy()
    return renamed


def compare_tiktoken(pronk, data, folder):
    from tiktoken.load import load_tiktoken_bpe
    import tiktoken
    from tokenizers import Tokenizer
    make_checkpoint(folder / "llama3", dim=8, layers=1, heads=2, kv_heads=1, ffn=8, vocab=128256)
    shutil.copy(data / "tokenizer" / "tokenizer.model", folder / "llama3")
    ours = Tokenizer.from_file(str(convert(pronk, folder / "llama3", folder / "llama3_hf") / "tokenizer.json"))
    pattern = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    reference = tiktoken.Encoding("llama3", pat_str=pattern, special_tokens={},
                                  mergeable_ranks=load_tiktoken_bpe(str(data / "tokenizer" / "tokenizer.model")))
    texts = [(data / "README.md").read_text(), "công việc của tôi; 春眠不觉晓 🙂 don't 1234567\n\n  x"]
    check("Llama 3's tiktoken file as tokenizer.json", all(
        ours.encode(text, add_special_tokens=False).ids == reference.encode(text, disallowed_special=()) for text in texts))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pronk", type=pathlib.Path)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        expected = read_gguf(arguments.gguf)
        check("GGUF to safetensors", same_values(expected, convert(arguments.pronk, arguments.gguf, folder / "hf")))
        blocks = {t.name: t for t in gguf.GGUFReader(arguments.gguf).tensors}
        copies = {t.name: t for t in gguf.GGUFReader(convert(arguments.pronk, arguments.gguf, folder / "copy.gguf")).tensors}
        check("GGUF to GGUF", blocks.keys() == copies.keys() and all(
            t.tensor_type == copies[k].tensor_type and numpy.array_equal(t.data, copies[k].data) for k, t in blocks.items()))
        expected = make_checkpoint(folder / "meta")
        check("PyTorch's file to safetensors", same_values(expected, convert(arguments.pronk, folder / "meta", folder / "meta_hf")))
        found = read_gguf(convert(arguments.pronk, folder / "meta", folder / "meta.gguf"))
        check("PyTorch's file to GGUF", expected.keys() == found.keys() and all(numpy.array_equal(expected[k], found[k]) for k in expected))
        if arguments.data and arguments.data.exists():
            compare_tiktoken(arguments.pronk, arguments.data, folder)
    return 1 if differences else 0


sys.exit(main())
