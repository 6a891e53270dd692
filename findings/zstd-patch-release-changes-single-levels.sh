#!/usr/bin/env bash
# Patch releases of libzstd change what single levels write, and leave the others alone: from 1.5.5
# to 1.5.6 level 19 changed and level 3 did not; from 1.5.6 to 1.5.7 level 3 changed and level 19
# did not. Levels 1, 6, 9, 12 and 15 write the same bytes in all three on this input.
#
# A good guess would be that a release either keeps all streams or changes all of them.
# Seen with libzstd 1.5.5, 1.5.6 and 1.5.7 (PyPI zstandard 0.21.0, 0.23.0 and 0.25.0).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/digests.py" <<'PY'
import hashlib, random, zstandard

random.seed(7)
letters = b"abcdefghijklmnopqrstuvwxyz"
words = [bytes(random.choices(letters, k=random.randint(2, 9))) for _ in range(5000)]
text = b" ".join(random.choices(words, k=900_000))
for level in (1, 3, 6, 9, 12, 15, 19):
    stream = zstandard.ZstdCompressor(level=level).compress(text)
    print(level, len(stream), hashlib.sha256(stream).hexdigest()[:16])
PY
for version in 0.21.0 0.23.0 0.25.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/pip" install --quiet --disable-pip-version-check "zstandard==$version"
    "$work/$version/bin/python" -c 'import zstandard; print("libzstd", ".".join(map(str, zstandard.ZSTD_VERSION)))'
    "$work/$version/bin/python" "$work/digests.py" | tee "$work/$version.txt"
done
changed() { { diff "$work/$1.txt" "$work/$2.txt" || true; } | awk '/^</ { printf "%s ", $2 }'; }
first=$(changed 0.21.0 0.23.0)
second=$(changed 0.23.0 0.25.0)
echo "levels that changed: 1.5.5 to 1.5.6: $first; 1.5.6 to 1.5.7: $second"
[ "$first" = "19 " ] && [ "$second" = "3 " ] || { echo "the behaviour has changed" >&2; exit 1; }
