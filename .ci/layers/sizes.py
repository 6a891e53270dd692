#!/usr/bin/env python3
"""Counts the lines of functions and files, and fails where one is longer than CONTRIBUTING.md allows.

    sizes.py [ROOT]     counts the workspace at ROOT (two folders above this file)

Functions count from their `fn` to their closing brace, files from their first line to their last. Tests count apart.
third-party/ does not count.
"""

import re
import subprocess
import sys
from pathlib import Path

MOST_FUNCTION_LINES = 70
MOST_FILE_LINES = 400
SHOWN_FILES = 10

# Whatever may hold a brace or an `fn` without meaning one.
SKIPPED = re.compile(
    r"""//[^\n]*
      | /\*.*?\*/
      | b?r(?P<marks>\#*)".*?"(?P=marks)
      | [bc]?"(?:\\.|[^"\\])*"
      | b?'(?:\\[^\n][^'\n]{0,8}?|[^'\\\n])'""",
    re.S | re.X,
)
FUNCTION = re.compile(r"\bfn\s+(?:r\#)?(\w+)")
TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod \w+ \{")


def blanked(text):
    """The text without comments, strings and characters, with the same lines."""
    return SKIPPED.sub(lambda match: "\n" * match.group().count("\n"), text)


def functions(text):
    """The name, the first line and the number of lines of each function that has a body."""
    text = blanked(text)
    for match in FUNCTION.finditer(text):
        depth = 0
        for at in range(match.end(), len(text)):
            char = text[at]
            depth += (char in "([{") - (char in ")]}")
            if char == ";" and depth == 0:
                break
            if char == "}" and depth == 0:
                first = text.count("\n", 0, match.start()) + 1
                yield match.group(1), first, text.count("\n", match.start(), at) + 1
                break


def is_test(path):
    parts = Path(path).parts
    return any(part in ("tests", "tests.rs", "examples", "fuzz") for part in parts)


def figures(lengths):
    lengths = sorted(lengths)
    middle, most = lengths[len(lengths) // 2], lengths[-1]
    return f"median {middle}, 90th percentile {lengths[len(lengths) * 9 // 10]}, maximum {most}"


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    listed = subprocess.run(["git", "-C", root, "ls-files", "*.rs"], capture_output=True, text=True, check=True)
    files, counted, faults = {}, {"code": [], "tests": []}, []
    for path in listed.stdout.split():
        if path.startswith("third-party/") or not (root / path).exists():
            continue
        text = (root / path).read_text()
        tests = TEST_MODULE.search(text)
        end_of_code = text.count("\n", 0, tests.start()) if tests else len(text)
        files[path] = text.count("\n")
        for name, first, lines in functions(text):
            counted["tests" if is_test(path) or first > end_of_code else "code"].append(lines)
            if lines > MOST_FUNCTION_LINES:
                faults.append(f"{path}:{first}: {name} has {lines} lines")
    for kind, lengths in counted.items():
        print(f"{len(lengths)} functions of {kind}: {figures(lengths)} lines")
    print(f"{len(files)} files: {figures(files.values())} lines; the largest:")
    for path in sorted(files, key=files.get, reverse=True)[:SHOWN_FILES]:
        print(f"    {files[path]:4} {path}")
    faults += [f"{path} has {lines} lines" for path, lines in files.items() if lines > MOST_FILE_LINES]
    for fault in faults:
        print(f"FAULT {fault}")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
