#!/usr/bin/env bash
# A hard link in a layer's tar has a header of its own, with a mode of its own. podman (containers/storage)
# gives that mode to the file when it unpacks the link, so the file that an earlier header made as 0644
# becomes 0755. GNU tar and umoci link, and keep the file's mode.
#
# A good guess would be that a hard link is another name and no more, as POSIX describes the type: the
# root file systems of one layer then differ between tools. Whoever writes layers must give all names of
# a file the same header; whoever compares layers cannot pass over what headers of links say.
# Seen with Debian's podman 4.3.1+ds1-8+deb12u1+b3 and umoci 0.4.7+ds-3+b7, whose packages are unpacked and not
# installed, and GNU tar 1.34. Needs root.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/root" "$work/layout" "$work/layout/blobs" "$work/layout/blobs/sha256" "$work/tar"
(cd "$work/debs" && apt-get download -qq -o APT::Sandbox::User=root podman=4.3.1+ds1-8+deb12u1+b3 umoci=0.4.7+ds-3+b7 libgpgme11 libassuan0 \
    libdevmapper1.02.1 libsubid4 libsemanage2)
for package in "$work"/debs/*.deb; do dpkg -x "$package" "$work/root"; done
triplet=$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || gcc -dumpmachine)
export LD_LIBRARY_PATH=$work/root/usr/lib/$triplet:$work/root/lib/$triplet
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$work/policy.json"
podman() { "$work/root/usr/bin/podman" --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"; }
podman --version
"$work/root/usr/bin/umoci" --version
tar --version | head -1

python3 - "$work/layout" "$work/layer.tar" <<'PYTHON'
import hashlib
import io
import json
import sys
import tarfile

layout, copy = sys.argv[1:]


def blob(data, kind):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{layout}/blobs/sha256/{digest}", "wb") as out:
        out.write(data)
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(data)}


layer = io.BytesIO()
with tarfile.open(fileobj=layer, mode="w") as tar:
    file = tarfile.TarInfo("tool")
    file.size, file.mode = 6, 0o644
    tar.addfile(file, io.BytesIO(b"hello\n"))
    link = tarfile.TarInfo("link")
    link.type, link.linkname, link.mode = tarfile.LNKTYPE, "tool", 0o755
    tar.addfile(link)
with open(copy, "wb") as out:
    out.write(layer.getvalue())
layer = blob(layer.getvalue(), "layer.v1.tar")
config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}}
config = blob(json.dumps(config).encode(), "config.v1+json")
manifest = blob(json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode(), "manifest.v1+json")
manifest["annotations"] = {"org.opencontainers.image.ref.name": "a"}
for name, value in ("index.json", {"schemaVersion": 2, "manifests": [manifest]}), ("oci-layout", {"imageLayoutVersion": "1.0.0"}):
    with open(f"{layout}/{name}", "w") as out:
        json.dump(value, out)
PYTHON
tar -C "$work/tar" -xpf "$work/layer.tar"
"$work/root/usr/bin/umoci" unpack --image "$work/layout:a" "$work/bundle" >/dev/null 2>&1
tar -cf "$work/layout.tar" -C "$work/layout" .
podman load --quiet --signature-policy "$work/policy.json" -i "$work/layout.tar" >/dev/null
mode() { stat -c %a "$1/tool"; }
by_podman=$(mode "$(dirname "$(find "$work/storage/vfs/dir" -name tool)")")
echo "mode of the file: tar $(mode "$work/tar"), umoci $(mode "$work/bundle/rootfs"), podman $by_podman"
[ "$(mode "$work/tar")" = 644 ] && [ "$(mode "$work/bundle/rootfs")" = 644 ] && [ "$by_podman" = 755 ] ||
    { echo "the behaviour has changed" >&2; exit 1; }
