#!/usr/bin/env python3
"""Fails when a file includes a module that stands beside or above its own. The rows are those of docs/architecture.md.

Usage: check_layers.py [root]
"""
import pathlib
import re
import sys

ROWS = [
    ["base"], ["tensor", "text"], ["kernels", "dist", "hub"], ["ops", "formats"], ["tokenizer"], ["model"],
    ["sampling", "grammar"], ["engine", "train", "quant"], ["chat"], ["recipes", "eval", "rag", "guard"], ["serve"], ["cli"],
]
ROW_OF = {name: row for row, names in enumerate(ROWS) for name in names}
# A public header belongs to the row of the module that implements it.
PUBLIC = {"result": "base", "types": "base", "tokenizer": "tokenizer", "model": "model", "sampling": "sampling",
          "engine": "engine", "session": "chat"}
INCLUDE = re.compile(r'^\s*#\s*include\s+"(?:src/)?(pronk/)?([a-z_]+)[/.]')


def violations(path, mine):
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        other = PUBLIC.get(found.group(2), "?") if found.group(1) else found.group(2)
        if other == "?":
            yield f"{path}:{number}: public header '{found.group(2)}' has no module in PUBLIC"
        elif other in ROW_OF and other != mine and ROW_OF[other] >= ROW_OF[mine]:
            yield f"{path}:{number}: {mine} must not include {other}"


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    bad = []
    for path in sorted(root.joinpath("src").rglob("*")):
        if path.suffix in {".h", ".cc", ".cu", ".cuh"}:
            mine = path.relative_to(root / "src").parts[0]
            bad += list(violations(path, mine)) if mine in ROW_OF else [f"{path}: module '{mine}' has no place in ROWS"]
    for path in sorted(root.joinpath("include/pronk").glob("*.h")):
        bad += list(violations(path, PUBLIC[path.stem])) if path.stem in PUBLIC else [f"{path}: no module in PUBLIC"]
    print("\n".join(bad) if bad else "layers: every include looks downwards")
    return 1 if bad else 0


sys.exit(main())
