"""Three extracts from a host: from nothing, by chunks beside the old image, by a patch; counted on the wire."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import images

SECONDS = 300
# What a host without ranges may cost: of each pack that is needed.
MOST_OF_PACKS = 1.05


@dataclass
class Pair:
    """The images, and the folder with their indexes, packs and patch."""

    regrow: Path
    folder: Path
    root: Path

    @property
    def old(self):
        return self.folder / "old.tar"

    @property
    def new(self):
        return self.folder / "new.tar"

    def make(self):
        for path, is_new in ((self.old, False), (self.new, True)):
            images.write(path, is_new)
        self.root.mkdir()
        quiet = [self.regrow, "make", "--quiet", "--format", "1"]
        subprocess.run([*quiet, self.root / "old.rgx", self.old], check=True)
        patch = ["--patch-from", self.root / "old.rgx", "--old", self.old]
        subprocess.run([*quiet, *patch, self.root / "new.rgx", self.new], check=True)

    def size_of(self, path):
        """The size of the object at the end of a URL's path."""
        found = list((self.root / "store").rglob(path.rsplit("/", 1)[-1]))
        return found[0].stat().st_size if found else 0


@dataclass
class Outcome:
    """What an extract came to. `bytes` is what passed on the wire, `fetched` what regrow says, `packs` the size of all
    packs and patches that were asked for."""

    word: str
    seconds: float = 0.0
    fetched: int = 0
    bytes: int = 0
    requests: int = 0
    packs: int = 0
    exchanges: list = field(default_factory=list)
    said: str = ""


def is_large(exchange):
    return exchange.path.split("?")[0].endswith((".pack", ".patch"))


def extract(pair, url, folder, options=(), take=list):
    """Runs one extract. `take` gives the exchanges on the wire since it was called last."""
    folder.mkdir(exist_ok=True)
    out = folder / "out.tar"
    out.unlink(missing_ok=True)
    take()
    command = [pair.regrow, "extract", "--json", "--catalog", folder / "catalog", *options, f"{url}/new.rgx", out]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return Outcome(f"no end in {SECONDS} s", exchanges=take())
    exchanges = take()
    outcome = Outcome("ok", exchanges=exchanges, said=run.stderr.strip()[-300:])
    outcome.requests = len(exchanges)
    outcome.bytes = sum(exchange.body_bytes for exchange in exchanges)
    outcome.packs = sum(map(pair.size_of, {exchange.path for exchange in exchanges if is_large(exchange)}))
    if run.returncode:
        outcome.word = f"exit {run.returncode}"
    elif out.read_bytes() != pair.new.read_bytes():
        outcome.word = "WRONG BYTES"
    else:
        report = json.loads(run.stdout)
        outcome.seconds, outcome.fetched = report["seconds"], report["bytes_fetched"]
    return outcome


def faults(name, outcome, has_ranges):
    """What is wrong with an extract: lines."""
    if outcome.word != "ok":
        yield f"{name}: {outcome.word}: {outcome.said}"
        return
    large = [exchange for exchange in outcome.exchanges if is_large(exchange)]
    if sum(exchange.body_bytes for exchange in large) > MOST_OF_PACKS * outcome.packs:
        yield f"{name}: {outcome.bytes} bytes, and the packs have {outcome.packs}"
    whole = [exchange.path for exchange in large if exchange.status == 200]
    if not has_ranges and len(whole) != len(set(whole)):
        yield f"{name}: packs were fetched more than once: {len(whole)} answers for {len(set(whole))}"


def verify(pair, url, folder):
    """Whether the store is found to be whole through this host."""
    command = [pair.regrow, "verify", "--quiet", "--store", f"{url}/store", f"{url}/new.rgx"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder)
    except subprocess.TimeoutExpired:
        return Outcome(f"no end in {SECONDS} s")
    word = f"exit {run.returncode}" if run.returncode else "ok"
    return Outcome(word, said=run.stderr.strip()[-300:])


def three(pair, url, folder, take):
    seed = ("--seed", pair.old)
    return {
        "no seed": extract(pair, url, folder / "none", (), take),
        "chunks": extract(pair, url, folder / "chunks", (*seed, "--no-patch"), take),
        "patch": extract(pair, url, folder / "patch", seed, take),
    }
