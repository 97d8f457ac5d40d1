#!/usr/bin/env python3
"""Fails when the README is over 150 lines, or a Markdown page links to a file that is not there.

Usage: check_docs.py [root]
"""
import pathlib
import re
import sys

README_MAX_LINES = 150
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# `src/model/llama_forward.h` and the like, in backquotes: a file or folder of this repository.
PATH = re.compile(r"`((?:src|include|tests|tools|docs|bench|cmake|python|models|examples)/[\w./-]+)`")


def broken(page, root):
    for number, line in enumerate(page.read_text().splitlines(), 1):
        for target in LINK.findall(line):
            if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
                yield f"{page}:{number}: link to '{target}', which is not there"
        for target in PATH.findall(line):
            if not (root / target).exists():
                yield f"{page}:{number}: names '{target}', which is not there"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    bad = []
    readme = root / "README.md"
    lines = len(readme.read_text().splitlines()) if readme.exists() else 0
    if not 0 < lines <= README_MAX_LINES:
        bad.append(f"{readme}: {lines} lines, 1 to {README_MAX_LINES} wanted")
    for page in [*sorted(root.glob("*.md")), *sorted(root.glob("docs/**/*.md"))]:
        bad += broken(page, root)
    print("\n".join(bad) if bad else "docs: every link leads somewhere")
    return 1 if bad else 0


sys.exit(main())
