#!/usr/bin/env python3
"""Keeps the command line out of the libraries: none of their messages or comments names a flag.

    flags.py [ROOT]     checks the workspace at ROOT (two folders above this file), and exits with 1 if it finds a fault

A library's user has no flags, so a library says in its own words what failed. The command adds the flag that helps, by the kind of
the error: cli/src/hints.rs.

A flag is `--` and a letter, in a string or a comment. A comment may name cargo's flags, as in `cargo test -- --ignored`.
"""

import re
import sys
from pathlib import Path

from circles import MAP

# A raw string, a string, a comment of a line, a comment between signs, a character. What comes first wins.
TOKEN = re.compile(
    r"""
    \bb?r(?P<hashes>\#*)"(?P<raw>.*?)"(?P=hashes)
    | "(?P<string>(?:[^"\\]|\\.)*)"
    | //(?P<line>[^\n]*)
    | /\*(?P<block>.*?)\*/
    | '(?:[^'\\\n]|\\[^\n]{1,9}?)'
    """,
    re.S | re.X,
)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
CARGO = re.compile(r"\bcargo \w")
# These run other programs, and the flags that they name are those programs' own.
RUN_OTHERS = {"engine/src/containerd.rs", "engine/src/docker/command.rs", "engine/src/podman.rs"}


def flags(text):
    """The flags that a source names, each with the number of its line."""
    found = []
    for token in TOKEN.finditer(text):
        group = token.lastgroup
        if group is None or (group in ("line", "block") and CARGO.search(token[0])):
            continue
        for flag in FLAG.finditer(token[0]):
            found.append((text.count("\n", 0, token.start() + flag.start()) + 1, flag[0]))
    return found


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    faults = [
        f"{file.relative_to(root)}:{line}: a library names {flag}; the hint belongs into cli/src/hints.rs"
        for name in MAP
        for file in sorted((root / name / "src").rglob("*.rs"))
        if str(file.relative_to(root)) not in RUN_OTHERS
        for line, flag in flags(file.read_text())
    ]
    for fault in faults:
        print(f"FAULT {fault}")
    if faults:
        sys.exit(1)
    print(f"ok: {len(MAP)} libraries, no flags of the command")


if __name__ == "__main__":
    main()
