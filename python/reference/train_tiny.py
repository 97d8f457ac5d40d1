#!/usr/bin/env python3
"""Trains models/tiny.gguf: a story teller of about a million parameters, small enough to live in the repository.

    python3 python/reference/train_tiny.py OUT.gguf TEXT...        (15 minutes on one core)

The texts are public-domain tales of Project Gutenberg: Grimms' Fairy Tales (2591), Alice's Adventures in Wonderland (11), The
Wonderful Wizard of Oz (55), The Adventures of Sherlock Holmes (1661). Half of the training passages stand as they are, half as a chat in which the user begins a passage
and the assistant goes on. Needs torch, tokenizers, gguf, numpy. Seeds are fixed; results still differ a little between
versions of PyTorch, so the file itself is committed.
"""
import argparse
import math
import pathlib
import random
import re
import time

import gguf
import numpy
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

import llama

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]  # ids 0, 1, 2
CONFIG = llama.Config(num_layers=5, model_dim=128, ffn_dim=384, num_heads=4, num_kv_heads=2, head_dim=32, vocab_size=1024,
                      norm_eps=1e-5, rope_theta=10000.0, max_context=512)
WINDOW, BATCH, PEAK_RATE = 256, 12, 3e-3
CHAT_TEMPLATE = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}"
                 "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")


def read_tale(path):
    """The book without Project Gutenberg's header and footer, paragraphs on one line each."""
    text = pathlib.Path(path).read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
    begin = re.search(r"\*\*\* ?START OF TH(E|IS) PROJECT.*?\*\*\*", text, re.S)
    end = re.search(r"(\*\*\* ?)?END OF TH(E|IS) PROJECT", text, re.I)
    text = text[begin.end() if begin else 0:end.start() if end else len(text)]
    for fancy, plain in {"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "--", "_": ""}.items():
        text = text.replace(fancy, plain)
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", text)]
    return "\n".join(p for p in paragraphs if len(p) > 40)


def train_tokenizer(texts):
    """Byte-level BPE with SmolLM's split rule (every digit alone, then GPT-2's)."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True),
                                                       pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=CONFIG.vocab_size, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    assert tokenizer.get_vocab_size() == CONFIG.vocab_size
    return tokenizer


def training_tokens(tokenizer, texts, dice):
    """One long row of passages of 400 to 1200 bytes in random order, each plain or as a chat."""
    passages = []
    encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
    for text in texts:
        sentences = re.findall(r"[^.!?]*[.!?]+[\"')]*\s*|[^.!?]+$", text)
        at = 0
        while at < len(sentences):
            passage, length = [], dice.randint(400, 1200)
            while at < len(sentences) and sum(map(len, passage)) < length:
                passage.append(sentences[at])
                at += 1
            opening = passage[0].strip()
            if dice.random() < 0.5 or len(passage) < 2 or len(opening) > 300:
                passages.append(encode("".join(passage).strip()) + [0])
            else:
                passages.append([1] + encode("user\n" + opening) + [2] + encode("\n") + [1] +
                                encode("assistant\n" + "".join(passage[1:]).strip()) + [2] + encode("\n"))
    dice.shuffle(passages)
    return [token for passage in passages for token in passage]


def forward_batch(c, w, tokens, angles):
    """llama.forward for [B, T] tokens: the same equations with a batch dimension and a fused attention, for speed."""
    F = torch.nn.functional
    rope = lambda x: llama.rope(x.flatten(0, 1), angles.repeat(len(tokens), 1)).unflatten(0, tokens.shape).transpose(1, 2)
    x = w["model.embed_tokens.weight"][tokens]
    for i in range(c.num_layers):
        get = lambda name: w[f"model.layers.{i}.{name}.weight"]
        n = llama.rms_norm(x, get("input_layernorm"), c.norm_eps)
        q = rope((n @ get("self_attn.q_proj").T).unflatten(2, (c.num_heads, c.head_dim)))
        k = rope((n @ get("self_attn.k_proj").T).unflatten(2, (c.num_kv_heads, c.head_dim)))
        v = (n @ get("self_attn.v_proj").T).unflatten(2, (c.num_kv_heads, c.head_dim)).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + y.transpose(1, 2).flatten(2) @ get("self_attn.o_proj").T
        n = llama.rms_norm(x, get("post_attention_layernorm"), c.norm_eps)
        x = x + (F.silu(n @ get("mlp.gate_proj").T) * (n @ get("mlp.up_proj").T)) @ get("mlp.down_proj").T
    return llama.rms_norm(x, w["model.norm.weight"], c.norm_eps) @ w["model.embed_tokens.weight"].T


def train(ids, held_out, minutes):
    """AdamW with warm-up and a cosine that ends when the time does."""
    torch.manual_seed(1)
    w = {name: t.requires_grad_() for name, t in llama.random_weights(CONFIG, seed=1).items()}
    matrices = [t for t in w.values() if t.dim() == 2]
    norms = [t for t in w.values() if t.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1}, {"params": norms, "weight_decay": 0}], betas=(0.9, 0.95))
    angles = torch.arange(WINDOW, dtype=torch.float64)[:, None] * llama.rope_frequencies(CONFIG)
    windows = lambda source, starts: torch.stack([source[s:s + WINDOW + 1] for s in starts])
    def loss_of(rows):
        logits = forward_batch(CONFIG, w, rows[:, :-1], angles)
        return torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
    begin, step = time.time(), 0
    while (done := (time.time() - begin) / (60 * minutes)) < 1:
        rate = PEAK_RATE * min(1, (step + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = loss_of(windows(ids, torch.randint(0, len(ids) - WINDOW - 1, (BATCH,))))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(w.values(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            with torch.no_grad():
                check = loss_of(windows(held_out, range(0, len(held_out) - WINDOW - 1, WINDOW)))
            print(f"step {step}, {100 * done:.0f} %, loss {loss.item():.3f}, held out {check.item():.3f}", flush=True)
    return {name: t.detach() for name, t in w.items()}


def write_gguf(path, w, tokenizer):
    """Matrices in Q8_0, norms in F32."""
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("pronk tiny tales")
    out.add_license("apache-2.0")
    out.add_description("A toy of a million parameters, trained on public-domain fairy tales by python/reference/train_tiny.py")
    out.add_context_length(CONFIG.max_context)
    out.add_embedding_length(CONFIG.model_dim)
    out.add_block_count(CONFIG.num_layers)
    out.add_feed_forward_length(CONFIG.ffn_dim)
    out.add_head_count(CONFIG.num_heads)
    out.add_head_count_kv(CONFIG.num_kv_heads)
    out.add_rope_dimension_count(CONFIG.head_dim)
    out.add_rope_freq_base(CONFIG.rope_theta)
    out.add_layer_norm_rms_eps(CONFIG.norm_eps)
    out.add_vocab_size(CONFIG.vocab_size)
    out.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    import json
    model = json.loads(tokenizer.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("smollm")
    out.add_token_list(pieces)
    out.add_token_types([gguf.TokenType.CONTROL if p in SPECIALS else gguf.TokenType.NORMAL for p in pieces])
    out.add_token_merges([" ".join(m) if isinstance(m, list) else m for m in model["merges"]])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)
    out.add_pad_token_id(2)
    out.add_add_bos_token(False)
    out.add_add_space_prefix(False)
    out.add_chat_template(CHAT_TEMPLATE)
    for name, t in w.items():
        heads = {"q_proj": CONFIG.num_heads, "k_proj": CONFIG.num_kv_heads}
        for part, count in heads.items():
            if part in name:
                t = llama.interleave(t, count)
        kind = gguf.GGMLQuantizationType.Q8_0 if t.dim() == 2 else gguf.GGMLQuantizationType.F32
        out.add_tensor(llama.gguf_name(name), gguf.quantize(t.numpy().astype(numpy.float32), kind), raw_dtype=kind)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("out")
    arguments.add_argument("texts", nargs="+")
    arguments.add_argument("--minutes", type=float, default=15)
    arguments = arguments.parse_args()
    torch.set_num_threads(1)
    texts = [read_tale(p) for p in arguments.texts]
    tokenizer = train_tokenizer(texts)
    ids = training_tokens(tokenizer, texts, random.Random(1))
    print(f"{sum(map(len, texts))} characters, {len(ids)} tokens, {sum(math.prod(s) for s in llama.tensor_shapes(CONFIG).values())} parameters")
    cut = len(ids) - 8000
    w = train(torch.tensor(ids[:cut]), torch.tensor(ids[cut:]), arguments.minutes)
    write_gguf(arguments.out, w, tokenizer)
    c, stored = llama.load_gguf(arguments.out)
    prompt = tokenizer.encode("Once upon a time there was a").ids
    print(tokenizer.decode(prompt + llama.generate(c, stored, prompt, 60)))


if __name__ == "__main__":
    main()
