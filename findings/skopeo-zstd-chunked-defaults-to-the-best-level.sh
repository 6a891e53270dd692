#!/usr/bin/env bash
# Without a level, skopeo compresses layers as `zstd` at klauspost/compress's default level, and as
# `zstd:chunked` at its best one. So `zstd:chunked` writes the same bytes with no level as with 20,
# and `zstd` the same as with 3. On this text the two formats' defaults are two levels apart.
#
# A good guess would be that the two differ in their frames only: zstd:chunked is described as zstd
# with a table of contents, and one option sets the level of both. Pushing by zstd:chunked takes
# several times the processor time for that reason, and a blob's level cannot be told from its format.
# Seen with Debian's skopeo 1.9.3+ds1-1+b10, whose packages are unpacked and not installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/tree" "$work/image"
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root skopeo=1.9.3+ds1-1+b10 libgpgme11 libassuan0 libdevmapper1.02.1)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
skopeo=$work/root/usr/bin/skopeo
"$skopeo" --version

python3 - "$work/tree/text" <<'PYTHON'
import random
import sys

random.seed(1)
words = ["".join(random.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(random.randint(2, 9))) for _ in range(3000)]
with open(sys.argv[1], "w") as out:
    out.write(" ".join(random.choice(words) for _ in range(600000)))
PYTHON
tar --blocking-factor=1 --sort=name --owner=0 --group=0 --mtime=@0 -cf "$work/image/layer.tar" -C "$work/tree" .
layer=$(sha256sum "$work/image/layer.tar" | cut -d' ' -f1)
printf '{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" \
    >"$work/image/config.json"
printf '[{"Config":"config.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]' >"$work/image/manifest.json"
tar -cf "$work/image.tar" -C "$work/image" .

# The digest and the size of the layer, in this format at this level, or without one.
layer_of() {
    local out=$work/out-${1/:/-}-${2:-none}
    "$skopeo" --insecure-policy copy --quiet --dest-compress \
        --dest-compress-format "$1" ${2:+--dest-compress-level "$2"} "docker-archive:$work/image.tar" "oci:$out:a"
    python3 - "$out" <<'PYTHON'
import json
import sys

with open(sys.argv[1] + "/index.json") as file:
    digest = json.load(file)["manifests"][0]["digest"]
with open(f"{sys.argv[1]}/blobs/{digest.replace(':', '/')}") as file:
    layer = json.load(file)["layers"][0]
print(layer["digest"][7:19], layer["size"])
PYTHON
}
declare -A found
for format in zstd zstd:chunked; do
    for level in "" 3 20; do
        found[$format$level]=$(layer_of "$format" "$level")
        echo "$format, ${level:+level }${level:-no level}: ${found[$format$level]}"
    done
done
[ "${found[zstd]}" = "${found[zstd3]}" ] && [ "${found[zstd]}" != "${found[zstd20]}" ] &&
    [ "${found[zstd:chunked]}" = "${found[zstd:chunked20]}" ] && [ "${found[zstd:chunked]}" != "${found[zstd:chunked3]}" ] ||
    { echo "the behaviour has changed" >&2; exit 1; }
