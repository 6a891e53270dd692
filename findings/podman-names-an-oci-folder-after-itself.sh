#!/usr/bin/env bash
# `podman load -i` takes an OCI layout as a folder and as an archive. From the archive the image gets
# the name in `org.opencontainers.image.ref.name`. From the same layout as a folder it gets the
# path that was given, as a name with `latest`, and the name in the layout is lost without a word. A path
# that is no valid name, as one with a capital letter, is no image.
#
# A good guess would be that one command gives one image one name, however its layout is packed.
# Seen with Debian's podman 4.3.1+ds1-8+deb12u1+b3, whose packages are unpacked and not installed. Needs root.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/layout" "$work/layout/blobs" "$work/layout/blobs/sha256"
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root podman=4.3.1+ds1-8+deb12u1+b3 libgpgme11 libassuan0 libdevmapper1.02.1 \
    libsubid4 libsemanage2)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/policy.json"
podman() {
    "$work/root/usr/bin/podman" --root "$work/$at" --runroot "$work/$at.run" --storage-driver vfs "$@"
}
at=first
podman --version

python3 - "$work/layout" <<'PYTHON'
import hashlib
import io
import json
import sys
import tarfile

layout = sys.argv[1]


def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
        out.write(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}


layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as tar:
    entry = tarfile.TarInfo("file")
    entry.size = 6
    tar.addfile(entry, io.BytesIO(b"hello\n"))
layer = blob(layer.getvalue(), "layer.v1.tar")
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
config = blob(json.dumps(config).encode(), "config.v1+json")
manifest = blob(json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode(), "manifest.v1+json")
manifest["annotations"] = {"org.opencontainers.image.ref.name": "example/named:v7"}
for name, value in ("index.json", {"schemaVersion": 2, "manifests": [manifest]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"}):
    with open(f"{layout}/{name}", "w") as out:
        json.dump(value, out)
PYTHON
tar -cf "$work/layout.tar" -C "$work/layout" .
podman load --quiet --signature-policy "$work/policy.json" -i "$work/layout.tar"
at=second
cd "$work"
podman load --quiet --signature-policy "$work/policy.json" -i layout
at=first
from_archive=$(podman images --format '{{.Repository}}:{{.Tag}}')
at=second
from_folder=$(podman images --format '{{.Repository}}:{{.Tag}}')
echo "from the archive: $from_archive; from the folder: $from_folder"
[ "$from_archive" = localhost/example/named:v7 ] && [ "$from_folder" = localhost/layout:latest ] ||
    { echo "the behaviour has changed" >&2; exit 1; }
