#!/usr/bin/env python3
"""Images of many small layers, as docker save writes them and as OCI archives with gzip layers.

    layers.py FOLDER     writes old.tar, new.tar, old-oci.tar, new-oci.tar, new.id and new.manifest

Both images have 40 layers, of which the lowest 37 are the same. large.tar has a layer of 30 MB.
"""

import gzip
import hashlib
import io
import json
import random
import sys
import tarfile
from pathlib import Path

SHARED, LAYERS = 37, 40


def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files:
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def layer(seed, name, size=120_000):
    return tar([(name, random.Random(seed).randbytes(size))])


def layers(version):
    shared = [layer(number, f"layer-{number}-of-37") for number in range(SHARED)]
    return shared + [layer(f"{version}-{number}", f"{version}-{number}") for number in range(SHARED, LAYERS)]


def digest(data):
    return hashlib.sha256(data).hexdigest()


def config(tars):
    ids = ["sha256:" + digest(data) for data in tars]
    history = [{"created_by": f"layer {number}"} for number in range(len(tars))]
    value = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/app"]},
        "rootfs": {"type": "layers", "diff_ids": ids},
        "history": history,
    }
    return json.dumps(value).encode()


def saved(tars, name):
    """An archive as docker save writes it."""
    described = config(tars)
    paths = [f"{digest(data)}/layer.tar" for data in tars]
    manifest = [{"Config": digest(described) + ".json", "RepoTags": [name], "Layers": paths}]
    files = [*zip(paths, tars), (digest(described) + ".json", described), ("manifest.json", json.dumps(manifest).encode())]
    return tar(files)


def layout(tars, name):
    """An OCI archive with gzip layers, and the digest of its manifest."""
    blobs = {}

    def blob(data, kind):
        blobs[f"blobs/sha256/{digest(data)}"] = data
        return {"mediaType": kind, "digest": "sha256:" + digest(data), "size": len(data)}

    kind = "application/vnd.oci.image."
    stored = [blob(gzip.compress(data, 6, mtime=0), kind + "layer.v1.tar+gzip") for data in tars]
    described = blob(config(tars), kind + "config.v1+json")
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind + "manifest.v1+json", "config": described, "layers": stored})
    entry = blob(manifest.encode(), kind + "manifest.v1+json")
    entry["annotations"] = {"io.containerd.image.name": f"docker.io/library/{name}", "org.opencontainers.image.ref.name": "new"}
    index = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
    files = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'), ("index.json", index), *blobs.items()]
    return tar(files), entry["digest"]


def main():
    folder = Path(sys.argv[1])
    for version in ("old", "new"):
        tars = layers(version)
        (folder / f"{version}.tar").write_bytes(saved(tars, f"app:{version}"))
        archive, manifest = layout(tars, f"app:{version}")
        (folder / f"{version}-oci.tar").write_bytes(archive)
        (folder / f"{version}.id").write_text("sha256:" + digest(config(tars)))
        (folder / f"{version}.manifest").write_text(manifest)
    (folder / "large.tar").write_bytes(saved([layer("large", "large", 30_000_000)], "app:large"))


if __name__ == "__main__":
    main()
