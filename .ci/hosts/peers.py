"""A peer is a server or a cache: the program that it needs, the version that is installed, the way it starts."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from children import Child, NotStarted, free_port

HERE = Path(__file__).resolve().parent


@dataclass
class Peer:
    """`package` is `dpkg:NAME`, `pip:NAME`, `npm:NAME` or `itself`; `command`, `config` and `options` may name places
    as `@root@`, `@port@`, `@work@`, `@venv@`, `@npm@`, `@origin@`, `@here@`, `@regrow@`."""

    name: str
    package: str
    command: list
    config: dict = field(default_factory=dict)
    options: dict = field(default_factory=dict)
    environment: dict = field(default_factory=dict)
    prefix: str = ""
    publish: str = "folder"
    good: bool = False


@dataclass
class Places:
    """Where things lie: the served folder, installed Python and npm packages, the command under test, the caches'
    origin; and whether what is only measured is measured."""

    root: Path
    venv: Path
    npm: Path
    regrow: Path
    work: Path
    origin: int = 0
    is_thorough: bool = False


def _fill(text, values):
    # Options may name places themselves.
    for _ in range(2):
        text = re.sub(r"@(\w+)@", lambda found: str(values.get(found.group(1), found.group(0))), str(text))
    return text


def program_of(peer, places):
    """The program that a peer's command begins with, if it is there."""
    program = _fill(peer.command[0], {"venv": places.venv, "npm": places.npm, "regrow": places.regrow})
    return shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin:" + os.environ["PATH"])


def is_there(peer, places):
    try:
        return bool(program_of(peer, places)) and version_of(peer, places) != "?"
    except (OSError, subprocess.CalledProcessError):
        return False


def version_of(peer, places):
    """The upstream version, without what a distribution adds."""
    kind, _, name = peer.package.partition(":")
    if kind == "dpkg":
        asked = ["dpkg-query", "-W", "-f", "${Version}", name]
        found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
        return re.sub(r"^\d+:", "", found.split("-")[0].split("+")[0]) or "?"
    if kind == "pip":
        code = f"import importlib.metadata as m; print(m.version({name!r}))"
        return subprocess.check_output([places.venv / "bin/python", "-c", code], text=True).strip()
    if kind == "npm":
        package = (places.npm / "node_modules" / name / "package.json").read_text()
        return re.search(r'"version": *"([^"]+)"', package).group(1)
    if kind == "python":
        return subprocess.check_output(["python3", "-V"], text=True).split()[1]
    return ""


def start(peer, places, folder, origin=0):
    """Starts a peer with a folder of its own; returns it and its port."""
    program = program_of(peer, places)
    if not program:
        raise NotStarted(f"there is no {peer.command[0]}")
    for last in (False, False, True):
        try:
            return _start(peer, program, places, folder, origin)
        except NotStarted:
            # Somebody else on this machine may have taken the port meanwhile.
            if last:
                raise
            shutil.rmtree(folder)


def _start(peer, program, places, folder, origin):
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    port = free_port()
    values = {
        **peer.options,
        **{"root": places.root, "port": port, "work": folder, "venv": places.venv, "npm": places.npm},
        **{"origin": origin, "here": HERE, "regrow": places.regrow, "other": free_port()},
    }
    for name, source in peer.config.items():
        (folder / name).write_text(_fill((HERE / "conf" / source).read_text(), values))
    environment = {name: _fill(text, values) for name, text in peer.environment.items()}
    command = [program, *(_fill(part, values) for part in peer.command[1:])]
    return Child(command, folder, port, environment), port
