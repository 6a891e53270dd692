"""Reads Markdown pages: fenced blocks, inline code, headings and links.

    python3 pages.py links FOLDER|PAGE...      each relative link and its anchor leads somewhere
    python3 pages.py block PAGE LANGUAGE       prints the first fenced block of a language
    python3 pages.py shell FOLDER              bash -n on each fenced block of shell
    python3 pages.py options FOLDER COMMAND    each option that follows regrow's name is in its help
"""

import re
import subprocess
import sys
from pathlib import Path

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


def markdown(place):
    """The pages below a folder, or one page."""
    return [Path(place)] if Path(place).is_file() else sorted(Path(place).rglob("*.md"))


def prose(text):
    return FENCE.sub("", text)


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    found = []
    for title in re.findall(r"^#+ (.*)$", prose(page.read_text()), re.M):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).replace("`", "").lower()
        anchor = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        found.append(anchor if anchor not in found else f"{anchor}-{found.count(anchor)}")
    return found


def links(*places):
    wrong, seen = [], 0
    for page in (page for place in places for page in markdown(place)):
        for target in LINK.findall(prose(page.read_text())):
            if re.match(r"[a-z]+:", target):
                continue
            seen += 1
            path, _, anchor = target.partition("#")
            file = page.parent / path if path else page
            if not file.exists():
                wrong.append(f"{page}: {target}: no such file")
            elif anchor and anchor not in anchors(file):
                wrong.append(f"{page}: {target}: no such heading; there are {', '.join(anchors(file))}")
    return wrong, f"{seen} relative links"


def block(page, language):
    for name, body in FENCE.findall(Path(page).read_text()):
        if name == language:
            return body
    raise SystemExit(f"{page}: no block of {language}")


def shell(folder):
    wrong, seen = [], 0
    for page in markdown(folder):
        for name, body in FENCE.findall(page.read_text()):
            if name != "sh":
                continue
            seen += 1
            run = subprocess.run(["bash", "-n"], input=body, text=True, capture_output=True)
            if run.returncode:
                wrong.append(f"{page}: {run.stderr.strip()}\n{body}")
    return wrong, f"{seen} blocks of shell"


def code(folder):
    """Lines of code that may call regrow: (where, line), continued lines joined."""
    for page in markdown(folder):
        text = page.read_text()
        for name, body in FENCE.findall(text):
            if name == "sh":
                yield from ((page, line) for line in body.replace("\\\n", " ").splitlines())
        yield from ((page, " ".join(span.split())) for span in INLINE.findall(prose(text)))
    for file in sorted([*Path(folder).rglob("*.yml"), *Path(folder).rglob("*.yaml")]):
        yield from ((file, line) for line in file.read_text().replace("\\\n", " ").splitlines())


def help_of(command, *subcommand):
    run = subprocess.run([command, *subcommand, "--help"], text=True, capture_output=True)
    if run.returncode:
        raise SystemExit(f"{command} {' '.join(subcommand)} --help: {run.stderr.strip()}")
    return run.stdout


def option_names(text):
    """The options that stand in a command line, or that a help text lists."""
    return set(re.findall(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])(?![\w-])", text))


def without_quoted(line):
    return re.sub(r'"[^"]*"|\'[^\']*\'', "_", line)


def commands_of(text):
    """The commands that a help text lists."""
    listed = re.search(r"^Commands:\n(.*?)(?:\n\n|\Z)", text, re.M | re.S)
    names = re.findall(r"^  ([a-z][a-z-]*)", listed.group(1), re.M) if listed else []
    return [name for name in names if name != "help"]


def options_of(command, *subcommand):
    """The options of a command and of all commands below it."""
    text = help_of(command, *subcommand)
    # clap writes each option at the start of a line: "  -q, --quiet" or "      --store <DIR|URL>".
    own = option_names("\n".join(re.findall(r"^ +(-.*?)(?:  |$)", text, re.M)))
    return own.union(*(options_of(command, *subcommand, name) for name in commands_of(text)))


def options(folder, command):
    known = {name: options_of(command, name) for name in commands_of(help_of(command))}
    every = set().union(*known.values())
    wrong, seen = [], 0
    for where, line in code(folder):
        for name, rest in re.findall(r"(?<![\w./-])(?:bin/)?regrow ([a-z]+)\b([^|;&#>]*)", without_quoted(line)):
            if name not in known:
                # Of a sentence, as in "regrow on S3": only what has options is a command.
                if option_names(rest):
                    wrong.append(f"{where}: regrow {name}: no such command")
                continue
            for option in sorted(option_names(rest)):
                seen += 1
                if option not in known[name]:
                    wrong.append(f"{where}: regrow {name} has no {option}")
        # An option alone in inline code is regrow's, or another program's that the page names with it.
        if line.startswith("--") and (option := line.split()[0].split("=")[0]) not in every | FOREIGN:
            wrong.append(f"{where}: regrow has no {option}")
        elif line.startswith("--"):
            seen += 1
    return wrong, f"{seen} options"


# Options that stand alone in the pages and are of another program that is named beside them.
FOREIGN = {
    *("--access-key", "--caches", "--check", "--clear-soft-delete", "--counts", "--features", "--help"),
    *("--months", "--parameter-overrides", "--polls", "--public-access", "--write"),
    *("--adapt", "--long", "--rsyncable", "--single-thread"),
}


def main():
    action, arguments = sys.argv[1], sys.argv[2:]
    if action == "block":
        print(block(*arguments), end="")
        return 0
    wrong, seen = {"links": links, "shell": shell, "options": options}[action](*arguments)
    for line in wrong:
        print(line)
    print(f"{seen} looked at, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
