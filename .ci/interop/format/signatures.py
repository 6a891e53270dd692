"""docs/format/index-2.md, section 5: signatures of a statement, and keys as minisign and OpenSSL write them."""

import base64
import hashlib
from collections import namedtuple

from .ed25519 import verify
from .fields import KIB, Reader, need

PURE, PREHASHED = 1, 2
MAX_SIGNATURES, MAX_ENTRY = 16, 8 * KIB
ENTRY = 1 + 8 + 64
SPKI = bytes.fromhex("302a300506032b6570032100")

Signature = namedtuple("Signature", "kind key_id signature")
Key = namedtuple("Key", "id public")


def read_signatures(reader):
    """Those of kinds that are known."""
    out, count = [], reader.varint()
    need(count <= MAX_SIGNATURES, "signatures: too many")
    for _ in range(count):
        length = reader.varint()
        need(length <= MAX_ENTRY, "signatures: an entry is too long")
        entry = Reader(reader.take(length))
        kind = entry.take(1)[0]
        if kind in (PURE, PREHASHED):
            out.append(Signature(kind, entry.take(8), entry.take(64)))
            entry.end("signatures: an entry")
    reader.end("signatures")
    return out


def is_of(key, signature, statement):
    message = statement if signature.kind == PURE else hashlib.blake2b(statement).digest()
    return signature.key_id == key.id and verify(key.public, message, signature.signature)


def read_key(text):
    """A public key of a file of minisign's, or in PEM."""
    lines = text.decode("ascii").strip().splitlines()
    if lines[0].startswith("-----BEGIN PUBLIC KEY"):
        der = base64.b64decode("".join(lines[1:-1]))
        need(der.startswith(SPKI) and len(der) == len(SPKI) + 32, "key: not of Ed25519")
        public = der[len(SPKI) :]
        return Key(hashlib.sha256(public).digest()[:8], public)
    data = base64.b64decode(lines[-1])
    need(data.startswith(b"Ed") and len(data) == 42, "key: neither minisign's nor in PEM")
    return Key(data[2:10], data[10:])


def entry_of(key, data):
    """A signature as a file has it, minisign's or 64 bytes, as an entry of a head."""
    if len(data) == 64:
        return bytes([PURE]) + key.id + data
    data = base64.b64decode(data.decode("ascii").splitlines()[1])
    kind = {b"Ed": PURE, b"ED": PREHASHED}.get(data[:2])
    need(kind and len(data) == 74, "signature: not minisign's")
    return bytes([kind]) + data[2:]
