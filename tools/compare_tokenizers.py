#!/usr/bin/env python3
"""Compares pronk's token ids with tiktoken's, tokenizers' and sentencepiece's on mixed text, and fails on any difference.

The text, over 10 MB: UDHR in every language of udhr2.zip, novels, Tang poems, source code, emoji and other sequences,
control characters, every code point alone, doubled, and between letters, digits and spaces, and random mixtures.

Usage: compare_tokenizers.py --pronk build/release/pronk --data ../shared/data [--gguf SMOLLM2.gguf] [--only NAME]
Needs: tiktoken, tokenizers, sentencepiece, gguf.
"""
import argparse
import base64
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import unicodedata
import zipfile

import sentencepiece
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

LLAMA3_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                  r"|\s*[\r\n]+|\s+(?!\S)|\s+")
MAX_CHARS = 300_000  # of one text: the oracles take long for longer ones


# --- texts

def code_points():
    return [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def code_point_texts():
    """Every code point by itself and in the neighbourhoods that the split patterns look at."""
    points = [chr(c) for c in code_points()]
    assigned = [c for c in points if unicodedata.category(c) != "Cn"]
    yield "every code point", "".join(points)
    yield "every code point between letters", "".join(f"a{c}b" for c in points)
    yield "every assigned code point after a space", "".join(f" {c}" for c in assigned)
    yield "every assigned code point between digits", "".join(f"1{c}2 " for c in assigned if c not in "\x00")
    yield "every assigned code point after an apostrophe", "".join(f"'{c} I'{c}" for c in assigned[:20000])
    yield "every assigned code point before newlines", "".join(f".{c}\r\n \n" for c in assigned[:40000])


def corpus_texts(data):
    udhr = zipfile.ZipFile(data / "corpora/udhr2/udhr2.zip")
    pieces = []
    for name in udhr.namelist():
        if name.endswith(".txt"):
            text = udhr.read(name).decode("utf-8", "ignore")
            pieces.append(text)
    yield "UDHR, all languages", "".join(pieces)
    for path in sorted((data / "corpora/gutenberg").glob("*.txt"))[:4]:
        yield path.stem, path.read_text("utf-8", "ignore")
    for path in sorted((data / "corpora/chinese_tang").glob("*.json"))[:3]:
        yield path.stem, path.read_text("utf-8", "ignore")
    yield "calibration", (data / "corpora/calibration/calibration_datav3.txt").read_text("utf-8", "ignore")
    root = pathlib.Path(__file__).resolve().parent.parent
    code = [p.read_text() for p in sorted(root.rglob("*")) if p.suffix in {".cc", ".h", ".py", ".md", ".cmake"} and "build" not in p.parts]
    yield "source code", "".join(code)


def made_texts(seed=7):
    rng = random.Random(seed)
    emoji = ["\U0001F600", "\U0001F468‍\U0001F469‍\U0001F467", "❤️", "\U0001F1E9\U0001F1EA", "\U0001F44D\U0001F3FD", "☺", "1️⃣"]
    controls = [chr(c) for c in range(32)] + [chr(c) for c in range(0x7F, 0xA1)] + ["​", "‏", "⁠", "﻿", "­"]
    spaces = [" ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", " \n", "\n ", " ", "　", " ", "\x0b", "\x0c", "\x85", "▁", "▁▁"]
    words = ["the", "It's", "WE'LL", "I'Ve", "don't", "'ſ", "x'S", "123", "1234567", "٣٤٥", "½", "Ⅷ", "việc", "příliš", "ﬁ", "東京", "สวัสดี",
             "नमस्ते", "שלום", "مرحبا", "Привет", "한국어", "ქართული", "አማርኛ", "<|eot_id|>", "<s>", "</s>", "<unk>", "<0x41>", "<|im_start|>",
             "(", ")", "...", "!!!", "==", "//", "http://a.b/c?d=e", "snake_case", "CamelCase", "é", "é", "ﷺ", "𝐀𝐁", "𠀀", "\U0001D7CE"]
    yield "emoji and control characters", "".join(rng.choice(emoji + controls + spaces) for _ in range(60000))
    yield "words and spaces", "".join(rng.choice(words + spaces) for _ in range(150000))
    yield "long runs", " " * 3000 + "a" * 5000 + "\n" * 3000 + "1" * 3001 + "=" * 3000 + "é" * 3000 + " \n" * 2000 + "字" * 3000 + "ab" * 3000
    points = code_points()
    yield "random code points", "".join(chr(rng.choice(points)) for _ in range(200000))
    yield "random of the first 12288 code points", "".join(chr(rng.randrange(0x3000)) for _ in range(200000))
    for text in ("", " ", "  ", "\n", "a", " a", "a ", "  a  b  ", "▁", "\x00", "'", "'s", " 's", "'ll'LL"):
        yield f"short {text!r}", text


def texts(data):
    for source in (code_point_texts(), corpus_texts(data), made_texts()):
        for name, text in source:
            for i in range(0, max(len(text), 1), MAX_CHARS):
                yield f"{name} [{i}]", text[i:i + MAX_CHARS]


# --- oracles: each gives a function from text to ids

def meta_tiktoken(path):
    ranks = {}
    for line in path.read_bytes().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    encoding = tiktoken.Encoding("llama3", pat_str=LLAMA3_PATTERN, mergeable_ranks=ranks, special_tokens={})
    return encoding.encode_ordinary


def huggingface(tokenizer):
    tokenizer.encode_special_tokens = True  # special tokens in the text are text
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids


def smollm2_from_gguf(path):
    """The tokenizer.json that SmolLM2's GGUF was made from: digits alone, then GPT-2's pattern."""
    import gguf
    fields = gguf.GGUFReader(path).fields
    tokens, merges, types = (fields[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "merges", "token_type"))
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges]))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, types) if k == 3])
    return tokenizer


def llama2_json(model_path, metaspace):
    """Llama 2's vocabulary as the two kinds of tokenizer.json that its conversions have."""
    sp = sentencepiece.SentencePieceProcessor(model_file=str(model_path))
    pieces = [sp.id_to_piece(i) for i in range(sp.get_piece_size())]
    vocab = {p: i for i, p in enumerate(pieces)}
    merges = []
    for i, piece in enumerate(pieces):
        if not (sp.is_byte(i) or sp.is_control(i) or sp.is_unknown(i)):
            merges += [(i, piece[:k], piece[k:]) for k in range(1, len(piece)) if piece[:k] in vocab and piece[k:] in vocab]
    merges.sort(key=lambda m: m[0])
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[m[1:] for m in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=metaspace, split=False)
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    return tokenizer


def trained_sentencepiece(folder, data, **options):
    """A small model trained here: unigram, and other normalization, as published ones have them."""
    corpus = folder / "corpus.txt"
    udhr = zipfile.ZipFile(data / "corpora/udhr2/udhr2.zip")
    names = [n for n in udhr.namelist() if n.endswith(".txt")][:60]
    corpus.write_text("\n".join(udhr.read(n).decode("utf-8", "ignore") for n in names))
    prefix = folder / "-".join(str(v) for v in options.values()).replace(" ", "").replace("/", "")[:60]
    sentencepiece.SentencePieceTrainer.train(input=str(corpus), model_prefix=str(prefix), vocab_size=3000, minloglevel=2, **options)
    return prefix.with_suffix(".model")


def gpt2_json(with_added_tokens):
    vocab = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    merges = []
    for a, b in [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "Ġ"), ("i", "n"), ("a", "n"), ("Ġ", "a"), ("1", "2"), ("e", "r")]:
        vocab[a + b] = len(vocab)
        merges.append((a, b))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=with_added_tokens)
    tokenizer.decoder = decoders.ByteLevel()
    if with_added_tokens:
        tokenizer.add_tokens([AddedToken("the", single_word=True), AddedToken("東京", lstrip=True), AddedToken("...", rstrip=True, normalized=True),
                              AddedToken("==", normalized=False), AddedToken("==x", normalized=False)])
        tokenizer.add_special_tokens([AddedToken("<|eot_id|>", special=True, normalized=False)])
    return tokenizer


def cases(args, folder):
    data = args.data

    def saved(name, tokenizer):
        path = folder / f"{name}.json"
        tokenizer.save(str(path))
        return path

    def sp(path):
        processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
        return lambda text: processor.encode(text)

    llama2 = data / "tokenizer/llama2/tokenizer.model"
    yield "Llama 3 tokenizer.model", data / "tokenizer/tokenizer.model", meta_tiktoken(data / "tokenizer/tokenizer.model")
    path = data / "tokenizer/llama31_tokenizer.json"
    yield "Llama 3.1 tokenizer.json", path, huggingface(Tokenizer.from_file(str(path)))
    if args.gguf:
        tokenizer = smollm2_from_gguf(args.gguf)
        yield "SmolLM2 GGUF", args.gguf, huggingface(tokenizer)
        yield "SmolLM2 tokenizer.json", saved("smollm2", tokenizer), huggingface(tokenizer)
    yield "Llama 2 tokenizer.model", llama2, sp(llama2)
    yield "Llama 2 GGUF", data / "tokenizer/llama2/ggml-vocab-llama-spm.gguf", sp(llama2)
    yield "Llama 2 tokenizer.bin", data / "tokenizer/llama2/tokenizer.bin", sp(llama2)
    for metaspace in (None, "first", "always", "never"):
        tokenizer = llama2_json(llama2, metaspace)
        name = f"Llama 2 tokenizer.json, {'Metaspace ' + metaspace if metaspace else 'Prepend'}"
        yield name, saved(name.replace(" ", "-"), tokenizer), huggingface(tokenizer)
    for added in (False, True):
        tokenizer = gpt2_json(added)
        yield f"GPT-2 tokenizer.json, added tokens: {added}", saved(f"gpt2-{added}", tokenizer), huggingface(tokenizer)
    for options in ({"model_type": "unigram"}, {"model_type": "unigram", "byte_fallback": True, "user_defined_symbols": "the,東京,..."},
                    {"model_type": "bpe", "user_defined_symbols": "the,==,..."}, {"model_type": "bpe", "normalization_rule_name": "nfkc_cf"},
                    {"model_type": "bpe", "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "treat_whitespace_as_suffix": True}):
        path = trained_sentencepiece(folder, data, **options)
        yield f"SentencePiece {options}", path, sp(path)


# --- comparison

def pronk_ids(pronk, model, text):
    run = subprocess.run([pronk, "tokenize", model, "--json"], input=text.encode(), capture_output=True)
    if run.returncode != 0:
        sys.exit(f"{model}: {run.stderr.decode()}")
    return json.loads(run.stdout)


def first_difference(ours, theirs):
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return i
    return min(len(ours), len(theirs))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pronk", type=pathlib.Path, required=True)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--only", default="", help="cases and texts whose names hold this")
    args = parser.parse_args()
    all_texts = list(texts(args.data))
    num_bytes = sum(len(t.encode()) for _, t in all_texts)
    failures = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, model, oracle in cases(args, pathlib.Path(folder)):
            if args.only not in name:
                continue
            bad, tokens = [], 0
            for text_name, text in all_texts:
                theirs, ours = list(oracle(text)), pronk_ids(args.pronk, model, text)
                tokens += len(theirs)
                if ours != theirs:
                    i = first_difference(ours, theirs)
                    bad.append(f"  {text_name}: token {i}: {ours[max(i - 3, 0):i + 6]}, needed {theirs[max(i - 3, 0):i + 6]}")
            failures += len(bad)
            print(f"{name}: {len(all_texts)} texts, {num_bytes / 1e6:.1f} MB, {tokens} tokens: {len(bad)} differ", flush=True)
            print("\n".join(bad[:10]) + ("\n" if bad else ""), end="", flush=True)
    sys.exit(1 if failures else 0)


main()
