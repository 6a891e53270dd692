#!/usr/bin/env bash
# `buildah manifest add --arch` for an image that is in the list already, under another platform,
# changes the entry's platform instead of adding one, and succeeds. Of amd64 and arm64, arm64 is left.
#
# A good guess would be two entries: the image-spec lets an index name one manifest for several
# platforms, as for images without machine code, and `add` does not say that it replaced anything. A
# list that was made so gives `no match for platform` on the first platform's machines.
# Seen with Debian's buildah 1.28.2+ds1-3+deb12u1+b3, whose packages are unpacked and not installed. Needs root.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/layout" "$work/layout/blobs" "$work/layout/blobs/sha256"
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root buildah=1.28.2+ds1-3+deb12u1+b3 libgpgme11 libassuan0 libdevmapper1.02.1 \
    libsubid4 libsemanage2)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
buildah() { "$work/root/usr/bin/buildah" --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
buildah --version

python3 - "$work/layout" <<'PYTHON'
import hashlib
import json
import sys

layout = sys.argv[1]


def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
        out.write(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}


# A layer is two zero blocks: the end of a tar.
layer = blob(bytes(1024), "layer.v1.tar")
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
config = blob(json.dumps(config).encode(), "config.v1+json")
manifest = blob(json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode(), "manifest.v1+json")
for name, value in ("index.json", {"schemaVersion": 2, "manifests": [manifest]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"}):
    with open(f"{layout}/{name}", "w") as out:
        json.dump(value, out)
PYTHON
buildah manifest create both >/dev/null
for arch in amd64 arm64; do
    buildah manifest add --arch "$arch" both "oci:$work/layout" >/dev/null && echo "added for $arch"
done
found=$(buildah manifest inspect both | python3 -c '
import json, sys
print(*(m["platform"]["architecture"] for m in json.load(sys.stdin)["manifests"]))')
echo "platforms in the list: $found"
[ "$found" = arm64 ] || { echo "the behaviour has changed" >&2; exit 1; }
