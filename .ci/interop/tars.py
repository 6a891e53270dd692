#!/usr/bin/env python3
"""Writes an image of one kind, to show what its parts are: tars.py KIND OUT. Without arguments it prints the kinds."""

import random
import struct
import sys
import zlib

BLOCK, MIB = 512, 1 << 20


def header(name, size):
    out = bytearray(BLOCK)
    out[: len(name)], out[124:136], out[148:156] = name.encode(), b"%011o\0" % size, b" " * 8
    out[148:156] = b"%06o\0 " % sum(out)
    return bytes(out)


def tar(*files):
    """Entries without an end, so that a tar may have no more than a header."""
    out = bytearray()
    for number, data in enumerate(files):
        out += header("file-%d" % number, len(data)) + data + bytes(-len(data) % BLOCK)
    return bytes(out)


def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def rows(size):
    """Bytes of which deflate makes half."""
    out = b"".join(struct.pack("<II", number, number * number % 65_521) for number in range(size // 8 + 1))
    return out[:size]


def zipped(plain):
    deflate = zlib.compressobj(6, zlib.DEFLATED, 31)
    return deflate.compress(plain) + deflate.flush()


def deep(levels):
    """Tars in one another, more than are walked."""
    out = tar(noise(1500))
    for level in range(levels):
        out = tar(out, noise(900, level))
    return out


END = bytes(2 * BLOCK)
LAYER = tar(noise(40_000), noise(700, 2), rows(90_000), b"", noise(30_000, 3)) + END
OTHER = tar(noise(50_000, 4), rows(60_000), *(noise(100 + number, number) for number in range(80))) + END
TINY = tar(b"x")
MANY = [TINY] * 1023

KINDS = {
    "empty": lambda: b"",
    "no-tar": lambda: noise(300_000),
    "one-tar": lambda: LAYER,
    "large-file-alone": lambda: tar(noise(2 * MIB), b"small") + END,
    "layers": lambda: tar(b"{}", LAYER, rows(MIB), noise(2000), OTHER, rows(MIB - 1), LAYER) + END,
    "other-order": lambda: tar(OTHER, b"{}", LAYER, noise(3000, 9), rows(MIB)) + END,
    "zipped": lambda: tar(b"{}", zipped(LAYER), zipped(rows(3 * MIB)), OTHER, zipped(OTHER)) + END,
    "adjacent": lambda: tar(LAYER, TINY, TINY, END[:BLOCK], b"") + END,
    "whole-zipped": lambda: zipped(LAYER),
    "whole-zipped-layers": lambda: zipped(tar(b"{}", LAYER, rows(MIB), OTHER) + END),
    "whole-zipped-file": lambda: zipped(rows(4 * MIB)),
    "deep": lambda: tar(deep(10), zipped(deep(10))) + END,
    "whole-zipped-deep": lambda: zipped(deep(10)),
    "many": lambda: tar(*MANY, deep(9), deep(9), TINY) + END,
    "many-zipped": lambda: tar(*MANY, zipped(deep(9)), zipped(deep(9))) + END,
    "cut": lambda: tar(b"{}", LAYER, OTHER)[: -len(OTHER) // 2],
    "opaque-end": lambda: tar(b"{}", LAYER) + b"no header" * 130_000,
    "opaque-in-part": lambda: tar(LAYER + b"no header" * 130_000, b"{}") + END,
}


def main():
    if len(sys.argv) < 2:
        print(*KINDS, sep="\n")
        return
    with open(sys.argv[2], "wb") as file:
        file.write(KINDS[sys.argv[1]]())


main()
