"""Reads a Terraform module without Terraform: it parses, and each reference leads to something that the module declares.

    python3 terraform.py FOLDER
"""

import re
import sys
from pathlib import Path

import hcl2

# Names that are not declared: of blocks, and of the language.
OF_THE_LANGUAGE = {"each", "count", "self", "path", "terraform"}


def bare(name):
    return name.strip('"')


def declared(module):
    """What can be referred to: var.x, local.x, type.name, data.type.name."""
    names = set()
    for block in module.get("variable", []):
        names |= {f"var.{bare(name)}" for name in block}
    for block in module.get("locals", []):
        names |= {f"local.{bare(name)}" for name in block if not name.startswith("__")}
    for kind, prefix in [("resource", ""), ("data", "data.")]:
        for block in module.get(kind, []):
            for type_, named in block.items():
                if isinstance(named, dict):
                    names |= {f"{prefix}{bare(type_)}.{bare(name)}" for name in named}
    return names


def expressions(text):
    """The parts of a file that are expressions: no comments, and of strings only what is within ${ }."""
    text = re.sub(r"^\s*#.*$", "", text, flags=re.M)
    return re.sub(r'"(?:[^"\\]|\\.)*"', lambda quoted: " ".join(re.findall(r"\$\{(.*?)\}", quoted.group(0))), text)


def references(text):
    """The references of a file that have to be declared."""
    text = expressions(text)
    # The names that a `for` binds: they refer to what stands after `in`.
    bound = {name for names in re.findall(r"\bfor ([\w, ]+) in\b", text) for name in re.split(r"[ ,]+", names)}
    for match in re.finditer(r"(?<![\w.])(data\.[a-z]\w*\.\w+|[a-z]\w*\.\w+)", text):
        if match.group(1).split(".")[0] not in OF_THE_LANGUAGE | bound:
            yield match.group(1)


def main():
    folder = Path(sys.argv[1])
    texts, module = {}, {}
    for file in sorted(folder.glob("*.tf")):
        texts[file] = file.read_text()
        with file.open() as opened:
            for kind, blocks in hcl2.load(opened).items():
                if isinstance(blocks, list):
                    module.setdefault(kind, []).extend(blocks)
    names = declared(module)
    wrong, used = [], set()
    for file, text in texts.items():
        for name in references(text):
            used.add(name)
            if name not in names:
                wrong.append(f"{file.name}: {name} is not declared")
    wrong += [f"{name} is declared and never used" for name in sorted(names) if name.startswith(("var.", "local.")) and name not in used]
    for line in wrong:
        print(line)
    print(f"{len(texts)} files, {len(names)} names, {len(used)} of them referred to, {len(wrong)} wrong")
    return 1 if wrong or not names else 0


if __name__ == "__main__":
    sys.exit(main())
