#!/usr/bin/env python3
"""Makes what a Linux kernel is to a boot loader of x86: a setup header, code, and the payload, a compressed file.

    vmlinuz.py FILE TO    with FILE as what the kernel unpacks
"""

import lzma
import struct
import sys

SECTORS, BEFORE = 39, 5004


def main():
    plain = open(sys.argv[1], "rb").read()
    filters = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 64 << 10}]
    payload = lzma.compress(plain, check=lzma.CHECK_CRC32, filters=filters) + struct.pack("<I", len(plain))
    kernel = bytearray((SECTORS + 1) * 512)
    kernel[0x1F1] = SECTORS
    kernel[0x1FE:0x200] = b"\x55\xaa"
    kernel[0x202:0x206] = b"HdrS"
    struct.pack_into("<H", kernel, 0x206, 0x20F)
    struct.pack_into("<II", kernel, 0x248, BEFORE, len(payload))
    code = bytes(number * 7 % 251 for number in range(BEFORE))
    open(sys.argv[2], "wb").write(bytes(kernel) + code + payload + code[:2000])


main()
