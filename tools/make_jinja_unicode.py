#!/usr/bin/env python3
"""Writes src/text/jinja_unicode_table.inc: what Python's str methods know about every code point.

Chat templates are written against Python's strings, so the table is taken from Python itself.
"""

import sys
import unicodedata

FLAGS = [  # in the order of enum CharFlag in src/text/jinja_unicode.h
    lambda c: c.isspace(),
    lambda c: c.isprintable(),
    lambda c: c.isalpha(),
    lambda c: c.isdecimal(),
    lambda c: c.isdigit(),
    lambda c: c.isnumeric(),
    lambda c: c.islower(),
    lambda c: c.isupper(),
    lambda c: unicodedata.category(c) == "Lt",
    # Case-ignorable: a sigma before it still sees the end of the word.
    lambda c: c != "\u03a3" and ("a\u03a3" + c + "a").lower()[1] == "\u03c3"
    and ("a\u03a3" + c).lower()[1] == "\u03c2",
    lambda c: c.isidentifier(),
    lambda c: ("a" + c).isidentifier(),
]


def all_characters():
    return (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)


def flag_runs():
    runs, last = [], None
    for c in all_characters():
        value = sum(1 << i for i, test in enumerate(FLAGS) if test(c))
        if value != last:
            runs.append((ord(c), value))
            last = value
    return runs


def case_runs():
    """(first, last, step, upper, lower, title): what is added to a code point, for its simple mappings."""
    runs, specials = [], []
    for c in all_characters():
        upper, lower, title = c.upper(), c.lower(), c.title()
        if max(map(len, (upper, lower, title))) > 1:
            specials.append((ord(c), upper, lower, title))
            continue
        deltas = tuple(ord(x) - ord(c) for x in (upper, lower, title))
        if deltas == (0, 0, 0):
            continue
        if runs and runs[-1][3:] == deltas:
            first, last, step = runs[-1][:3]
            gap = ord(c) - last
            if gap in (1, 2) and (first == last or gap == step):
                runs[-1] = (first, ord(c), gap, *deltas)
                continue
        runs.append((ord(c), ord(c), 1, *deltas))
    return runs, specials


def literal(text):
    return '"' + "".join(f"\\x{b:02x}" for b in text.encode()) + '"'


def wrap(items, out):
    line = ""
    for item in items:
        if len(line) + len(item) > 98:
            out.write(line.rstrip() + "\n")
            line = ""
        line += item + " "
    out.write(line.rstrip() + "\n")


def main():
    out = open(sys.argv[1], "w") if len(sys.argv) > 1 else sys.stdout
    out.write(f"// Written by tools/make_jinja_unicode.py from Unicode {unicodedata.unidata_version}.\n")
    out.write("constexpr FlagRun kFlagRuns[] = {\n")
    wrap([f"{{{code},{value}}}," for code, value in flag_runs()], out)
    out.write("};\nconstexpr CaseRun kCaseRuns[] = {\n")
    runs, specials = case_runs()
    wrap(["{" + ",".join(map(str, run)) + "}," for run in runs], out)
    out.write("};\nconstexpr SpecialCase kSpecialCases[] = {\n")
    wrap(["{" + ",".join([str(s[0]), *map(literal, s[1:])]) + "}," for s in specials], out)
    out.write("};\n")


if __name__ == "__main__":
    main()
