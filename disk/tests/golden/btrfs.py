#!/usr/bin/env python3
"""Makes an image of btrfs small: moves its first two chunks, by what they use, to 128 KiB and behind.

The file system tools make no image of fewer than 8 MiB. Logical places stay, so only the superblock and the leaf of chunks
change. The image must have mixed groups, nodes of 4 KiB, one copy of everything, and all data in its second chunk.
    btrfs.py FROM TO
"""

import struct
import sys

SUPERBLOCK, SYSTEM_AT, MIXED_AT, END = 64 << 10, 128 << 10, 136 << 10, 256 << 10


def checksum(block):
    """CRC-32C of all that is behind the checksum's field."""
    crc = 0xFFFFFFFF
    for byte in block[32:]:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return struct.pack("<I", crc ^ 0xFFFFFFFF)


def main():
    image = bytearray(open(sys.argv[1], "rb").read())
    superblock = image[SUPERBLOCK : SUPERBLOCK + 4096]
    (chunk_root,) = struct.unpack_from("<Q", superblock, 88)
    leaf = image[chunk_root : chunk_root + 4096]
    out = bytearray(END)
    ends = [(SYSTEM_AT, MIXED_AT - SYSTEM_AT), (MIXED_AT, END - MIXED_AT - 4096), (END - 4096, 4096)]
    for number in range(struct.unpack_from("<I", leaf, 96)[0]):
        logical, from_, _ = struct.unpack_from("<QII", leaf, 101 + 25 * number + 9)
        if leaf[101 + 25 * number + 8] == 216:
            struct.pack_into("<Q", leaf, 101 + from_ + 8, END)
            continue
        at, length = ends.pop(0)
        (physical,) = struct.unpack_from("<Q", leaf, 101 + from_ + 56)
        out[at : at + length] = image[physical : physical + length]
        struct.pack_into("<Q", leaf, 101 + from_, length)
        struct.pack_into("<Q", leaf, 101 + from_ + 56, at)
        if logical == chunk_root:
            struct.pack_into("<Q", superblock, 811 + 17, length)
            struct.pack_into("<Q", superblock, 811 + 17 + 56, at)
    struct.pack_into("<Q", superblock, 112, END)
    struct.pack_into("<Q", superblock, 201 + 8, END)
    for block, at in [(leaf, SYSTEM_AT), (superblock, SUPERBLOCK)]:
        block[:4] = checksum(block)
        out[at : at + 4096] = block
    open(sys.argv[2], "wb").write(out)


main()
