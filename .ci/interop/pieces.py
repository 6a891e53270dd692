#!/usr/bin/env python3
"""Shows that the second implementation puts together what docs/format/index-2.md, section 6, describes and no writer
makes yet: a coded stretch in another, plain pieces, and repeated literals. Exits with 1 if it does not."""

import struct
import sys
import zlib

from format.codings import Image, read_pieces
from format.fields import Mismatch, Reader, need, varint
from format.walk import BLOCK, CODED_BEGINS, CODED_ENDS, CONTENTS, MARK, assemble

HEADER = bytes.fromhex("1f8b08000000000000ff")
NUMBERS = b"".join(struct.pack("<I", number * number * 77) for number in range(2000))
ENCODER = varint(1) + varint(0x46)  # zlib at level 6.
SAME, TRAILER = varint(0), bytes([3])


def tar_header(size):
    header = bytearray(BLOCK)
    header[:4], header[124:136], header[148:156] = b"file", b"%011o\0" % size, b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


def deflated(plain):
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(plain) + deflate.flush()


def trailer(plain):
    return struct.pack("<II", zlib.crc32(plain), len(plain))


def literal(data):
    return bytes([0]) + varint(len(data)) + data


def stream(plain, encoder):
    return bytes([2]) + encoder + varint(len(plain)) + varint(len(deflated(plain))) + varint(0)


def main():
    inner = tar_header(len(NUMBERS)) + NUMBERS
    file = HEADER + deflated(inner) + trailer(inner)
    outer = tar_header(len(file)) + file + b"behind it"
    first, second = outer[:700], outer[700:]
    image = b"before" + HEADER + deflated(first) + trailer(first) + HEADER + second + trailer(second) + b"tail" + b"after"

    pieces = [literal(HEADER), stream(first, ENCODER), TRAILER]
    pieces += [bytes([0]) + SAME, bytes([1]) + varint(len(second)), TRAILER, literal(b"tail")]
    of_inner = [literal(HEADER), stream(inner, SAME), TRAILER]
    codings = varint(2) + b"".join(varint(len(some)) + b"".join(some) for some in (pieces, of_inner))
    operations = [(6, CONTENTS), (CODED_BEGINS, MARK), (BLOCK, CONTENTS), (CODED_BEGINS, MARK), (len(inner), CONTENTS)]
    operations += [(CODED_ENDS, MARK), (9, CONTENTS), (CODED_ENDS, MARK), (5, CONTENTS)]
    skeleton = b"".join(varint(length * 4 + kind) for length, kind in operations)
    plain = b"before" + outer[:BLOCK] + inner + b"behind it" + b"after"
    assembled = assemble(skeleton, plain, 8)
    need(Image(assembled, read_pieces(Reader(codings))).bytes == image, "pieces: another image")
    try:
        assemble(skeleton, plain)
    except Mismatch:
        return 0
    return "pieces: version 1 has no stretches in one another"


sys.exit(main())
