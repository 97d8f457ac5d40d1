#!/usr/bin/env python3
"""Writes tests/data/tokenizer: small tokenizers of every kind, trained on the sentences below, and what tiktoken,
tokenizers and sentencepiece make of some texts with them (goldens.jsonl: model, text, ids).

Usage (in an environment with tiktoken, tokenizers, sentencepiece): make_tokenizer_goldens.py
"""
import base64
import json
import pathlib
import tempfile

import sentencepiece
import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LLAMA3_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
                  r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SENTENCES = [
    "All human beings are born free and equal in dignity and rights.",
    "They are endowed with reason and conscience and should act towards one another in a spirit of brotherhood.",
    "Alle Menschen sind frei und gleich an Würde und Rechten geboren.",
    "Tous les êtres humains naissent libres et égaux en dignité et en droits.",
    "Все люди рождаются свободными и равными в своем достоинстве и правах.",
    "人人生而自由,在尊严和权利上一律平等。",
    "すべての人間は、生まれながらにして自由である。",
    "모든 인간은 태어날 때부터 자유로우며 존엄하다.",
    "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता प्राप्त है।",
    "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกัน",
    "يولد جميع الناس أحرارا متساوين في الكرامة والحقوق.",
    "def main(argc, argv):\n    return [x for x in range(100) if x % 3 == 0]\n",
    "The year 1948, the 10th of December; I've said it's what we'll do, don't you?",
]
TEXTS = [
    "", " ", "  ", "\n", "a", " a", "a ", "  free  and   equal  ", "born free", "Born Free", "rights.\n\nThey", "\r\n \n\tx", "it's IT'S it'ſ", "'ll'LL we'LL",
    "1948 12345 1 2", "٣٤٥ ½ Ⅷ 𝟙𝟚", "Würde égaux", "人人生而自由", "すべての人間", "모든 인간은", "สภาค", "مرحبا", "\U0001F468‍\U0001F469 ❤️", "\x00\x01\x7f", "▁ ▁▁a",
    "<s>", "</s> <unk>", "<|eot_id|>", "<|begin_of_text|>hello", "<0x41>", "==", "the==xx the then", "x東京 y", "... ...a", "﻿​ x", "ﬁ ﷺ Ａ", "é é",
    "a" * 70, "ab" * 60, " " * 60 + "x", "=" * 50 + "\n" * 40, "def main():\n    return [1]\n",
] + SENTENCES


def llama3_like():
    """A byte-level BPE with Llama 3's split: its ranks as a tiktoken file."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(LLAMA3_PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=600, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|begin_of_text|> $A", special_tokens=[("<|begin_of_text|>", tokenizer.token_to_id("<|begin_of_text|>"))])
    return tokenizer


def ranks_of(tokenizer):
    """Its tokens' bytes in the order of their ids, and one that no merge reaches: " équité" whole."""
    plain = [b for b in range(256) if 33 <= b <= 126 or (b >= 161 and b != 173)]
    others = [b for b in range(256) if b not in plain]
    letters = {chr(b): b for b in plain} | {chr(256 + i): b for i, b in enumerate(others)}
    vocab = sorted((i, t) for t, i in tokenizer.get_vocab(with_added_tokens=False).items())
    return [bytes(letters[c] for c in token) for _, token in vocab] + [" équité".encode()]


def smollm_like():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(SENTENCES * 3, trainer)
    tokenizer.add_tokens([AddedToken("the", single_word=True), AddedToken("東京", lstrip=True), AddedToken("...", rstrip=True, normalized=True),
                          AddedToken("==", normalized=False), AddedToken("==x", normalized=False)])
    return tokenizer


def metaspace_like():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    specials = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    # Trained on words, as SentencePiece does, and used on whole texts.
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.train_from_iterator(SENTENCES[:6] * 3, trainers.BpeTrainer(vocab_size=600, special_tokens=specials[:3], show_progress=False))
    state = json.loads(tokenizer.to_str())
    offset = 256  # the byte tokens come after the special ones
    state["model"]["vocab"] = {t: i if i < 3 else i + offset for t, i in state["model"]["vocab"].items()} | {s: i for i, s in enumerate(specials)}
    tokenizer = Tokenizer.from_str(json.dumps(state))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    return tokenizer


def sentencepiece_model(path, rules=None, **options):
    with tempfile.TemporaryDirectory() as folder:
        corpus = pathlib.Path(folder) / "corpus.txt"
        corpus.write_text("\n".join(s.strip() for s in SENTENCES) + "\n")
        prefix = pathlib.Path(folder) / "m"
        if rules:
            (pathlib.Path(folder) / "rules.tsv").write_text(rules)
            options["normalization_rule_tsv"] = str(pathlib.Path(folder) / "rules.tsv")
        sentencepiece.SentencePieceTrainer.train(input=str(corpus), model_prefix=str(prefix), minloglevel=2, hard_vocab_limit=False, **options)
        path.write_bytes(prefix.with_suffix(".model").read_bytes())
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    return lambda text: processor.encode(text)


def main():
    folder = pathlib.Path(__file__).resolve().parent.parent / "tests/data/tokenizer"
    folder.mkdir(parents=True, exist_ok=True)
    oracles = {}

    llama3 = llama3_like()
    ranks = ranks_of(llama3)
    (folder / "llama3.tiktoken").write_text("".join(f"{base64.b64encode(t).decode()} {i}\n" for i, t in enumerate(ranks)))
    encoding = tiktoken.Encoding("small", pat_str=LLAMA3_PATTERN, mergeable_ranks={t: i for i, t in enumerate(ranks)}, special_tokens={})
    oracles["llama3.tiktoken"] = encoding.encode_ordinary
    for name, tokenizer in (("llama3.json", llama3), ("smollm.json", smollm_like()), ("metaspace.json", metaspace_like())):
        tokenizer.save(str(folder / name), pretty=False)
        tokenizer.encode_special_tokens = True
        oracles[name] = lambda text, tokenizer=tokenizer: tokenizer.encode(text, add_special_tokens=False).ids
    oracles["bpe.model"] = sentencepiece_model(
        folder / "bpe.model", model_type="bpe", vocab_size=700, byte_fallback=True, normalization_rule_name="identity",
        remove_extra_whitespaces=False, user_defined_symbols="==")
    oracles["unigram.model"] = sentencepiece_model(
        folder / "unigram.model", model_type="unigram", vocab_size=300, character_coverage=0.98, user_defined_symbols="==,the",
        rules="FB01\t66 69\nFF21\t41\nFDFA\t635 644 649 20 627\n65 301\tE9\nA\t20\n9\t20\n")

    with open(folder / "goldens.jsonl", "w") as out:
        for name, oracle in oracles.items():
            for text in TEXTS:
                out.write(json.dumps({"model": name, "text": text, "ids": list(oracle(text))}) + "\n")


main()
