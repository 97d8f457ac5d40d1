#!/usr/bin/env python3
"""Writes src/text/unicode_ranges.inc: which classes every code point belongs to, asked of the programs whose ids pronk reproduces.

Each class is probed over every code point, in `tokenizers` (Oniguruma, Rust's char and regex) and in `tiktoken`
(fancy-regex). The script fails when the two disagree on a class that both use, for then one table would no longer do.

Usage (in an environment with tokenizers and tiktoken): make_unicode_tables.py > src/text/unicode_ranges.inc
"""
import sys

import tiktoken
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, models, pre_tokenizers

CODE_POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
CHUNK = 4096


def matched_by_tokenizers(pattern):
    splitter = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = set()
    for i in range(0, len(CODE_POINTS), CHUNK):
        for piece, _ in splitter.pre_tokenize_str("".join(map(chr, CODE_POINTS[i:i + CHUNK]))):
            found.update(map(ord, piece))
    return found


def matched_by_tiktoken(pattern):
    # Text that the pattern does not match is left out of the ids, and every byte is its own token.
    encoding = tiktoken.Encoding("probe", pat_str=pattern, mergeable_ranks={bytes([i]): i for i in range(256)}, special_tokens={})
    found = set()
    for i in range(0, len(CODE_POINTS), CHUNK):
        found.update(map(ord, bytes(encoding.encode_ordinary("".join(map(chr, CODE_POINTS[i:i + CHUNK])))).decode()))
    return found


def numeric_for_digits():
    """What the pre-tokenizer Digits sets apart: Rust's char::is_numeric, a newer Unicode than the patterns'."""
    digits = pre_tokenizers.Digits(individual_digits=True)
    return {c for c in CODE_POINTS if len(digits.pre_tokenize_str("a" + chr(c) + "a")) > 1}


def word_for_added_tokens():
    """The characters that keep an added token with single_word from matching beside them."""
    tokenizer = Tokenizer(models.BPE(vocab={"[u]": 0}, merges=[], unk_token="[u]"))
    tokenizer.add_tokens([AddedToken("QQ", single_word=True)])
    return {c for c in CODE_POINTS if tokenizer.encode("QQ" + chr(c)).ids[0] == 0}


def main():
    classes = []
    for name, pattern in (("kLetter", r"\p{L}"), ("kNumber", r"\p{N}"), ("kSpace", r"\s")):
        ours, theirs = matched_by_tokenizers(pattern), matched_by_tiktoken(pattern)
        if ours != theirs:
            sys.exit(f"{pattern}: tokenizers and tiktoken differ at {sorted(map(hex, ours ^ theirs))[:20]}")
        classes.append((name, ours))
    classes.append(("kNumeric", numeric_for_digits()))
    classes.append(("kWord", word_for_added_tokens()))

    starts, previous = [], None
    for c in range(0x110000):
        value = sum(1 << bit for bit, (_, members) in enumerate(classes) if c in members)
        if value != previous:
            starts.append((c, value))
            previous = value
    print(f"// Made by tools/make_unicode_tables.py from tokenizers {tokenizers.__version__} and tiktoken {tiktoken.__version__}; do not edit.")
    print("// Each entry: the first code point of a run << 8 | the classes of its code points,")
    print("// " + ", ".join(f"{1 << bit} {name}" for bit, (name, _) in enumerate(classes)) + ".")
    line = ""
    for first, value in starts:
        entry = f"0x{first << 8 | value:x},"
        if len(line) + len(entry) > 100:
            print(line)
            line = ""
        line += entry
    print(line)


main()
