#!/usr/bin/env python3
"""Writes one of two similar images as `docker save` would: image.py OUT old|new [base]. The same bytes each time.
With `base`, there is another layer below, which is the same in both."""

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


def base_layer():
    out, source = io.BytesIO(), random.Random("base")
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for number in range(24):
            add(tar, f"usr/lib/library-{number:02}", source.randbytes(source.randrange(400_000)), 1_740_000_000)
    return out.getvalue()


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
    path, release, *below = sys.argv[1:]
    layers = [base_layer() for _ in below] + [layer(release == "new")]
    config = json.dumps({
        "architecture": "amd64",
        "os": "linux",
        "created": "2025-01-01T00:00:00Z",
        "config": {"Cmd": ["/usr/bin/program-00"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(data)}" for data in layers]},
        "history": [{"created": "2025-01-01T00:00:00Z", "created_by": "ADD layer"} for _ in layers],
    }).encode()
    names = [f"{digest(data)}/layer.tar" for data in layers]
    named = f"{digest(config)}.json"
    manifest = [{"Config": named, "RepoTags": [f"shop:{release}"], "Layers": names}]
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in zip(names, layers):
            add(tar, name, data, 0)
        add(tar, named, config, 0)
        add(tar, "manifest.json", json.dumps(manifest).encode(), 0)


main()
