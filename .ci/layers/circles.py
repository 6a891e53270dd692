#!/usr/bin/env python3
"""Keeps the layers: which crate may depend on which, and no import circle across folders.

    circles.py [ROOT]     checks the workspace at ROOT (two folders above this file), and exits with 1 if it finds a fault

Crates: MAP says which of the workspace's crates each one may name in [dependencies]. The compiler keeps whatever is not a
dependency out; this keeps dependencies from being added in passing.

Modules: in each crate, and at each level of its module tree, modules that import one another in a circle are a fault if one of
them is a folder. Plain files of one folder may know each other. A name that a parent re-exports counts as an import of the module
that it comes from. Tests do not count.
"""

import re
import sys
import tomllib
from pathlib import Path

# What each crate may depend on, by folder. ARCHITECTURE.md has the same list.
MAP = {
    "paths": [],
    "chunker": [],
    "deflate": [],
    "delta": [],
    "sign": [],
    "engine": [],
    "rootfs": [],
    "zstd": [],
    "disk": ["deflate", "zstd"],
    "image": ["chunker"],
    "index": ["chunker"],
    "store": ["chunker", "paths"],
    "catalog": ["paths"],
    "local": ["catalog", "chunker", "deflate", "disk", "image", "index", "paths", "rootfs", "zstd"],
    "patch": ["chunker", "deflate", "delta", "disk", "image", "local", "zstd"],
    "demo": ["deflate"],
    "sync": ["catalog", "chunker", "deflate", "disk", "engine", "image", "index", "local", "patch", "paths", "rootfs", "sign", "store", "zstd"],
}

TEST_MODULE = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod (\w+)\s*([;{])")
USE = re.compile(r"^[ \t]*(pub(?:\([^)]*\))?\s+)?use\s+([^;]+);", re.M)
PATH = re.compile(r"\b(?:crate|super|self)(?:::\w+)+")


def without_comments(text):
    return re.sub(r"//[^\n]*", "", text)


def without_tests(text):
    """The text before its test module, and the names of test modules in files of their own."""
    names = set()
    for match in TEST_MODULE.finditer(text):
        if match.group(2) == "{":
            return text[: match.start()], names
        names.add(match.group(1))
    return text, names


def leaves(tree):
    """All paths of a use tree, with the names that they get."""
    tree = re.sub(r"\s+", " ", tree.strip())
    start = tree.find("{")
    if start < 0:
        path, _, alias = tree.partition(" as ")
        path = path.removesuffix("::self")
        return [(path, alias or path.split("::")[-1])]
    prefix, body = tree[:start], tree[start + 1 : tree.rindex("}")]
    found, depth, part = [], 0, ""
    for char in body + ",":
        if char == "," and depth == 0:
            if part.strip():
                found += leaves(prefix + part.strip())
            part = ""
            continue
        depth += (char == "{") - (char == "}")
        part += char
    return found


class Crate:
    """The modules of a crate by their paths, and what each imports."""

    def __init__(self, src):
        self.src = src
        self.texts = {}
        tests = set()
        for file in sorted(src.rglob("*.rs")):
            path = file.relative_to(src).with_suffix("").parts
            path = () if path in (("lib",), ("main",)) else path
            text, names = without_tests(without_comments(file.read_text()))
            self.texts[path] = text
            tests |= {path + (name,) for name in names}
        for path in [path for path in self.texts if any(path[: len(test)] == test for test in tests)]:
            del self.texts[path]
        self.exports = {path: self.exported(path) for path in self.texts}

    def absolute(self, module, path):
        """A path as one from the crate's root; None if it leads out of the crate."""
        parts = tuple(part.strip() for part in path.split("::"))
        if parts[0] == "crate":
            return parts[1:]
        if parts[0] in ("self", "super"):
            here = module
            while parts and parts[0] in ("self", "super"):
                here = here[:-1] if parts[0] == "super" else here
                parts = parts[1:]
            return here + parts
        return module + parts if module + parts[:1] in self.texts else None

    def exported(self, module):
        """What a module hands on from elsewhere in the crate, by name."""
        found = {}
        for match in USE.finditer(self.texts[module]):
            if match.group(1):
                for path, name in leaves(match.group(2)):
                    target = self.absolute(module, path)
                    if target:
                        found[name] = target
        return found

    def module_of(self, target):
        """The module that a path leads to, through re-exports."""
        for _ in range(8):
            module = max((m for m in self.texts if target[: len(m)] == m), key=len)
            rest = target[len(module) :]
            if not rest or rest[0] not in self.exports[module]:
                return module
            target = self.exports[module][rest[0]] + rest[1:]
        return module

    def imports(self, module):
        text = self.texts[module]
        paths = [path for match in USE.finditer(text) for path, _ in leaves(match.group(2))]
        paths += PATH.findall(USE.sub("", text))
        targets = (self.absolute(module, path) for path in paths)
        return {self.module_of(target) for target in targets if target is not None}

    def is_folder(self, module):
        return any(len(other) > len(module) and other[: len(module)] == module for other in self.texts)

    def circles(self):
        """Circles of sibling modules, each with the imports that make it."""
        edges = {}
        for module in self.texts:
            for target in self.imports(module):
                common = 0
                while common < min(len(module), len(target)) and module[common] == target[common]:
                    common += 1
                if common < min(len(module), len(target)):
                    pair = module[: common + 1], target[: common + 1]
                    edges.setdefault(pair, []).append(f"{'::'.join(module)} -> {'::'.join(target)}")
        found = []
        for group in strong_groups(edges):
            if any(self.is_folder(module) for module in group):
                found.append((group, sorted(e for (a, b), es in edges.items() if a in group and b in group for e in es)))
        return found


def strong_groups(edges):
    """Groups of more than one node in which each reaches each."""
    nexts = {}
    for a, b in edges:
        nexts.setdefault(a, set()).add(b)

    def reached(start):
        seen, ahead = set(), [start]
        while ahead:
            for node in nexts.get(ahead.pop(), ()):
                if node not in seen:
                    seen.add(node)
                    ahead.append(node)
        return seen

    reach = {node: reached(node) for node in nexts}
    groups = {frozenset(other for other in seen if node in reach.get(other, ())) for node, seen in reach.items()}
    return sorted(sorted(group) for group in groups if len(group) > 1)


def faults_of_crate(name, folder):
    faults = []
    for group, imports in Crate(folder / "src").circles():
        names = ", ".join("::".join(module) for module in group)
        faults.append(f"{name}: import circle of {names}:\n    " + "\n    ".join(imports))
    return faults


def faults_of_map(root):
    faults = []
    for name, allowed in MAP.items():
        manifest = tomllib.loads((root / name / "Cargo.toml").read_text())
        for dependency in manifest.get("dependencies", {}):
            crate = dependency.removeprefix("regrow-")
            if dependency.startswith("regrow-") and crate not in allowed:
                faults.append(f"{name}/Cargo.toml: {dependency} is a dependency that the map of the layers forbids")
    return faults


def main():
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2]
    faults = faults_of_map(root)
    for name in [*MAP, "cli"]:
        faults += faults_of_crate(name, root / name)
    for fault in faults:
        print(f"FAULT {fault}")
    if faults:
        sys.exit(1)
    print(f"ok: {len(MAP) + 1} crates, no circle across folders")


if __name__ == "__main__":
    main()
