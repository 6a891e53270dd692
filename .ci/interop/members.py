#!/usr/bin/env python3
"""Writes one of two similar tars of files that hold deflate streams: members.py OUT old|new. The same bytes each time,
with the same zlib and gzip."""

import gzip
import io
import random
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib


def text(number, updated):
    source = random.Random(number)
    words = ["".join(source.choices("etaoinshrdlu", k=source.randrange(2, 9))) for _ in range(400)]
    page = [source.choice(words) for _ in range(source.randrange(2_000, 6_000))]
    if updated and number % 3 == 0:
        page[len(page) // 2 : len(page) // 2] = ["edited", "here"]
    return " ".join(page).encode()


def archive(number, updated):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        for part in range(3):
            file.writestr(zipfile.ZipInfo("part-%d" % part), text(number + part, updated), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def picture(number, updated):
    lines = b"".join(b"\0" + text(number + line, updated)[:300] for line in range(60))
    head = chunk(b"IHDR", struct.pack(">2I5B", 100, 60, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")


def flushed(data):
    """A stream with a block that ends where zlib would end none."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
    first = deflate.compress(data[:9000]) + deflate.flush(zlib.Z_FULL_FLUSH)
    return first + deflate.compress(data[9000:]) + deflate.flush()


def noise(number, updated):
    """Bytes that nothing compresses, between some that are compressed."""
    data = random.Random(number).randbytes(70_000)
    return text(number, updated) + data + text(number + 1, updated)


def by_gzip(data):
    """GNU gzip ends blocks elsewhere than zlib."""
    return subprocess.run(["gzip", "-n", "-9"], input=data, stdout=subprocess.PIPE, check=True).stdout


def filtered(data):
    """A stream that no level of zlib makes without its caller's help."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, 31, 8, zlib.Z_FILTERED)
    return deflate.compress(data) + deflate.flush()


def main():
    path, updated = sys.argv[1], sys.argv[2] == "new"
    files = {}
    for number in range(20):
        level = 1 + number % 9
        files["gzip-%d-%02d.gz" % (level, number)] = gzip.compress(text(number, updated), level, mtime=0)
    for number in (30, 33):
        files["archive-%d.zip" % number] = archive(number, updated)
        files["picture-%d.png" % number] = picture(number, updated)
        files["flushed-%d.gz" % number] = flushed(text(number, updated))
        files["filtered-%d.gz" % number] = filtered(text(number, updated))
        files["plain-%d" % number] = text(number, updated)
        files["noise-%d.gz" % number] = gzip.compress(noise(number, updated), mtime=0)
        files["by-gzip-%d.gz" % number] = by_gzip(text(number, updated) * 12 + noise(number, updated))
    with tarfile.open(path, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo("usr/share/" + name)
            entry.size, entry.mtime = len(data), 1_760_000_000 if updated else 1_750_000_000
            tar.addfile(entry, io.BytesIO(data))


main()
