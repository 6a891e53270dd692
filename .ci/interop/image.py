#!/usr/bin/env python3
"""Writes one of two similar images as `docker save` would: image.py OUT old|new. The same bytes each time."""

import hashlib
import io
import json
import random
import sys
import tarfile


def add(tar, name, data, time):
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(data), time
    tar.addfile(entry, io.BytesIO(data))


def program(number, updated):
    """About 300 KB of code-like bytes; some get a few bytes more in the middle."""
    source = random.Random(number)
    parts = [source.randbytes(source.randrange(3, 9)) for _ in range(200)]
    code = [source.choice(parts) + source.randbytes(2) for _ in range(40_000)]
    if updated and number % 8 == 3:
        code.insert(len(code) // 2, b"\x90\x90\xc3")
    return b"".join(code)


def text(number, updated):
    source = random.Random(number + 10_000)
    words = [source.choice(["stone", "river", "of", "the", "light", "and", "a", "house"]) for _ in range(source.randrange(20, 900))]
    if updated and number % 40 == 7:
        words.insert(len(words) // 2, "edited")
    return " ".join(words).encode()


def layer(updated):
    out = io.BytesIO()
    time = 1_760_000_000 if updated else 1_750_000_000
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(32):
            add(tar, f"usr/bin/program-{number:02}", program(number, updated), time)
        for number in range(1200):
            add(tar, f"usr/share/doc/text-{number:04}", text(number, updated), time)
    return out.getvalue()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def main():
    path, release = sys.argv[1:]
    data = layer(release == "new")
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "created": "2025-01-01T00:00:00Z",
        "config": {"Cmd": ["/usr/bin/program-00"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(data)}"]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "ADD layer"}],
    }).encode()
    names = {"config": f"{digest(config)}.json", "layer": f"{digest(data)}/layer.tar"}
    manifest = [{"Config": names["config"], "RepoTags": [f"shop:{release}"], "Layers": [names["layer"]]}]
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        add(tar, names["layer"], data, 0)
        add(tar, names["config"], config, 0)
        add(tar, "manifest.json", json.dumps(manifest).encode(), 0)


main()
