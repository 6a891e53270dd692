"""docs/format/disk.md, section 11: the compressed blocks of disk images. Those of zlib, of liblzma, and of libzstd 1.5.7
in one call are made here, by the libraries of Python and zstandard. LZ4's are decoded, and corrections known by name."""

import lzma
import struct
import zlib

import zstandard

from .encoders import read_zstd_encoder
from .fields import Reader, need, varint

FIRST_BLOCK, ZLIB, DEFLATE, ZSTD, LZ4_FAST, LZ4_HIGH, XZ = 0x2000, 0x2000, 0x2001, 0x2010, 0x2020, 0x2021, 0x2030
# The numbers of filters in the .xz format, and how Python names them.
FILTERS = {4: lzma.FILTER_X86, 5: lzma.FILTER_POWERPC, 6: lzma.FILTER_IA64, 7: lzma.FILTER_ARM}
FILTERS |= {8: lzma.FILTER_ARMTHUMB, 9: lzma.FILTER_SPARC, 10: 10, 11: 11}
LZMA2_FILTER, HAS_SIZES, EXTREME, CRC32 = 0x21, 0xC0, 16, 1
MAX_DICTIONARY, XZ_CHUNK = 64 << 20, 64 << 10
ONE_CALL, LINKED_ZSTD = 0, "%d.%d.%d" % zstandard.ZSTD_VERSION


def is_block(written):
    """Whether an encoder makes blocks, and not whole files."""
    return Reader(written).varint() >= FIRST_BLOCK


def read_block_encoder(written):
    """Its number, its name and its parameters."""
    reader = Reader(written)
    number = reader.varint()
    if number == ZSTD:
        kind = reader.varint()
        parameters, name = reader.data[reader.at :], read_zstd_encoder(kind, reader)
    elif number in (ZLIB, DEFLATE):
        parameters, name = [reader.varint() for _ in range(3)], "zlib's blocks"
        level, window, memory = parameters
        need(1 <= level <= 9 and 9 <= window <= 15 and memory in (8, 9), "encoder: parameters of zlib")
    elif number in (LZ4_FAST, LZ4_HIGH):
        parameters, name = [reader.varint()], "LZ4's blocks"
        levels = range(1, 66) if number == LZ4_FAST else range(3, 13)
        need(parameters[0] in levels, "encoder: parameters of LZ4")
    else:
        need(number == XZ, "encoder: number %#x is not known" % number)
        parameters, name = [reader.varint() for _ in range(4)], "liblzma's blocks"
        preset, dictionary, checked, kind = parameters
        need(preset % EXTREME <= 9 and preset // EXTREME <= 1, "encoder: preset of liblzma")
        need(4096 <= dictionary <= MAX_DICTIONARY and checked <= CRC32, "encoder: dictionary or check of liblzma")
        need(not kind or kind in FILTERS, "encoder: filter of liblzma")
    if number != ZSTD:
        reader.end("encoder")
    return number, name, parameters


def make_block(written, plain):
    """The block, or None if the encoder is not made here."""
    number, name, parameters = read_block_encoder(written)
    if number in (ZLIB, DEFLATE) and "ng" not in zlib.ZLIB_RUNTIME_VERSION:
        level, window, memory = parameters
        deflate = zlib.compressobj(level, zlib.DEFLATED, window if number == ZLIB else -window, memory)
        return deflate.compress(plain) + deflate.flush()
    if number == XZ:
        return xz_file(plain, *parameters)
    if number == ZSTD and name.endswith(" " + LINKED_ZSTD):
        level, mode, flags, window = zstd_parameters(parameters)
        # In one call, with the number of plain bytes, and a checksum or not.
        if mode == ONE_CALL and flags in (1, 3) and not window:
            return zstandard.ZstdCompressor(level=level, write_checksum=flags == 3).compress(plain)
    return None


def zstd_parameters(written):
    """Level, mode, flags and window of libzstd."""
    reader = Reader(written)
    _version, level, mode, flags, window = (reader.varint() for _ in range(5))
    return level, mode, flags, window


def xz_file(plain, preset, dictionary, checked, kind):
    """An .xz file of one block with its sizes in the header, as `lzma_stream_buffer_encode` makes it."""
    level = preset % EXTREME | (lzma.PRESET_EXTREME if preset >= EXTREME else 0)
    chain = [{"id": FILTERS[kind]}] if kind else []
    chain.append({"id": lzma.FILTER_LZMA2, "preset": level, "dict_size": dictionary})
    packed = lzma.compress(plain, lzma.FORMAT_RAW, filters=chain)
    flags, bits = bytes([0, checked]), next(bits for bits in range(41) if size_of(bits) >= dictionary)
    last = varint(LZMA2_FILTER) + bytes([1, bits])
    filters = (bytes([kind, 0]) if kind else b"") + last
    # There is room for the size of what does not compress at all.
    most = len(plain) + -(-len(plain) // XZ_CHUNK) * 3 + 1
    room = 2 + len(varint(most)) + len(varint(len(plain))) + len(filters) + 4
    room += -room % 4
    header = bytes([room // 4 - 1, HAS_SIZES | bool(kind)]) + varint(len(packed)) + varint(len(plain)) + filters
    header += bytes(room - 4 - len(header))
    crc = struct.pack("<I", zlib.crc32(plain)) if checked else b""
    index = padded(b"\0\1" + varint(room + len(packed) + len(crc)) + varint(len(plain)))
    footer = struct.pack("<I", len(index) // 4) + flags
    return b"".join(
        (b"\xfd7zXZ\0", flags, sum_of(flags), header, sum_of(header), padded(packed), crc, index, sum_of(index),
         sum_of(footer), footer, b"YZ")
    )  # fmt: skip


def size_of(bits):
    return 0xFFFFFFFF if bits == 40 else (2 | bits & 1) << bits // 2 + 11


def padded(data):
    return data + bytes(-len(data) % 4)


def sum_of(data):
    return struct.pack("<I", zlib.crc32(data))


def decode_block(written, coded, size):
    """What the block holds with which `coded` begins, and how many bytes it has. It should hold `size` bytes."""
    number = read_block_encoder(written)[0]
    if number in (LZ4_FAST, LZ4_HIGH):
        return lz4_block(coded, size)
    if number == ZSTD:
        inflate = zstandard.ZstdDecompressor().decompressobj()
    elif number == XZ:
        inflate = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    else:
        inflate = zlib.decompressobj(15 if number == ZLIB else -15)
    plain = inflate.decompress(coded)
    need(inflate.eof, "a block in the image does not end")
    return plain, len(coded) - len(inflate.unused_data)


def lz4_block(coded, size):
    """An LZ4 block does not tell its end: it is where it has `size` bytes."""
    reader, out = Reader(coded), bytearray()

    def length(part):
        total, byte = part, 255 if part == 15 else 0
        while byte == 255:
            byte = reader.take(1)[0]
            total += byte
        return total

    while True:
        token = reader.take(1)[0]
        out += reader.take(length(token >> 4))
        if len(out) >= size:
            return bytes(out), reader.at
        distance = int.from_bytes(reader.take(2), "little")
        need(0 < distance <= len(out), "LZ4: a distance")
        left = length(token & 15) + 4
        while left:
            copied = out[len(out) - distance :][:left]
            out, left = out + copied, left - len(copied)
