#!/usr/bin/env python3
"""Writes an OCI archive of one layer: oci.py LAYER OUT. The layer is a tar, or one that gzip compressed."""

import gzip
import hashlib
import io
import json
import sys
import tarfile

layer = open(sys.argv[1], "rb").read()
is_gzip = layer[:2] == b"\x1f\x8b"
plain = gzip.decompress(layer) if is_gzip else layer


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def descriptor(kind, data):
    return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": digest(data), "size": len(data)}


config = json.dumps(
    {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [digest(plain)]}}
).encode()
manifest = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("config.v1+json", config),
        "layers": [descriptor("layer.v1.tar" + ("+gzip" if is_gzip else ""), layer)],
    }
).encode()
index = json.dumps({"schemaVersion": 2, "manifests": [descriptor("manifest.v1+json", manifest)]}).encode()

with tarfile.open(sys.argv[2], "w") as tar:
    for name, data in [("oci-layout", b'{"imageLayoutVersion": "1.0.0"}'), ("index.json", index)] + [
        ("blobs/" + digest(data).replace(":", "/"), data) for data in (config, manifest, layer)
    ]:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
