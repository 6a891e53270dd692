#!/usr/bin/env bash
# libzstd's multi-threaded mode is not the single-threaded mode run on several threads. It cuts the
# input into jobs (of four windows by default: 2 MiB at level 1, 8 MiB at level 3) and does so with
# one worker as well (`ZSTD_c_nbWorkers` = 1). An input that is longer than a job gives another
# stream with one worker than with none, while one worker and four write the same. The frame headers
# are equal, so a stream does not tell in which mode it was made.
#
# A good guess would be that one worker equals the plain call, or that the header differs.
# Seen with libzstd 1.5.7 (PyPI zstandard 0.25.0).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check zstandard==0.25.0
"$work/venv/bin/python" - <<'PY'
import random, sys, zstandard

print("libzstd", ".".join(map(str, zstandard.ZSTD_VERSION)))
random.seed(7)
letters = b"abcdefghijklmnopqrstuvwxyz"
words = [bytes(random.choices(letters, k=random.randint(2, 9))) for _ in range(5000)]
text = b" ".join(random.choices(words, k=1_800_000))


def stream(level, length, workers):
    compressed = zstandard.ZstdCompressor(level=level, threads=workers).compress(text[:length])
    assert zstandard.ZstdDecompressor().decompress(compressed) == text[:length]
    return compressed


ok = True
for level, length, differs in ((1, 2 << 20, False), (1, 3 << 20, True), (3, 8 << 20, False), (3, 10 << 20, True)):
    none, one, four = (stream(level, length, workers) for workers in (0, 1, 4))
    print(f"level {level}, {length:,} bytes of {len(text):,}: {len(none):,} without workers, {len(one):,} with one,",
          f"{len(four):,} with four; one = four: {one == four}; none = one: {none == one};",
          f"same header: {none[:8] == one[:8]}")
    ok &= one == four and (none != one) == differs and none[:8] == one[:8]
sys.exit(0 if ok else "the behaviour has changed")
PY
