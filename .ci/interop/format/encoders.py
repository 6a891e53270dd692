"""docs/format/corrections.md, section 1: encoders. Only zlib is made here, by Python's own; level 0, whose blocks
depend on how its caller hands the bytes on, is not. GNU gzip, pigz, Go, klauspost and pgzip are known by name, and so
are those of docs/format/zstd.md."""

import zlib

from .fields import Reader, need

# First number, name, levels, their offset, parameters.
KINDS = (
    (0x40, "zlib", range(0, 10), 0, 0),
    (0x50, "zlib with memory level 9", range(0, 10), 0, 0),
    (0x60, "GNU gzip", range(1, 10), 0, 0),
    (0x70, "pigz", range(0, 10), 0, 0),
    (0x100, "Go up to 1.26", range(-2, 10), 2, 0),
    (0x110, "Go from 1.27", range(-2, 10), 2, 0),
    (0x120, "Go from 1.27 with fused sums", range(-2, 10), 2, 0),
    (0x200, "klauspost to 1.15", range(-2, 10), 2, 0),
    (0x210, "klauspost 1.18.0", range(-2, 10), 2, 0),
    (0x220, "klauspost from 1.18.2", range(-2, 10), 2, 0),
    (0x300, "pgzip to 1.15", range(-2, 10), 2, 1),
    (0x310, "pgzip 1.18.0", range(-2, 10), 2, 1),
    (0x320, "pgzip from 1.18.2", range(-2, 10), 2, 1),
)
MEMORY = {0x40: 8, 0x50: 9}
FIRST_ZSTD, CHUNKED, LIBZSTD = 0x1000, 0x1400, 0x1800
# Of klauspost's zstd: ranges of versions by their first one, and levels.
KLAUSPOST_VERSIONS = {0: "up to 1.16.3", 2: "from 1.16.4", 4: "from 1.17.0", 5: "from 1.17.3", 6: "from 1.17.6", 8: "from 1.17.8"}
KLAUSPOST_LEVELS = ("fastest", "default", "better", "best")


def read_encoder(written):
    """Its kind and its level."""
    reader = Reader(written)
    number = reader.varint()
    if number >= FIRST_ZSTD:
        return (number, read_zstd_encoder(number, reader), range(23), 0, 0), 0
    for kind in KINDS:
        level = number - kind[0] - kind[3]
        if kind[0] <= number < kind[0] + 16 and level in kind[2]:
            for _ in range(kind[4]):
                need(reader.varint(), "encoder: a block of no bytes")
            reader.end("encoder")
            return kind, level
    need(False, "encoder: number %#x is not known" % number)


def read_zstd_encoder(number, reader):
    """The name of an encoder of zstd."""
    if number == FIRST_ZSTD:
        return read_klauspost_zstd(reader)
    if number == CHUNKED:
        form = reader.varint()
        need(form < 32 and 1 <= form % 16 <= 5, "encoder: form of zstd:chunked")
        return "zstd:chunked, " + read_klauspost_zstd(reader)
    need(number == LIBZSTD, "encoder: number %#x is not known" % number)
    version, level, mode, flags, window = (reader.varint() for _ in range(5))
    need(1 <= level <= 22 and mode <= 2 and flags < 128, "encoder: parameters of libzstd")
    need(window == 0 or 10 <= window <= 27, "encoder: window of libzstd")
    reader.end("encoder")
    return "libzstd %d.%d.%d" % (version // 10_000, version // 100 % 100, version % 100)


def read_klauspost_zstd(reader):
    kind, options, window, block, _flush = (reader.varint() for _ in range(5))
    need(kind % 16 in KLAUSPOST_VERSIONS and kind // 16 < len(KLAUSPOST_LEVELS), "encoder: version and level of klauspost")
    need(options % 4 < 3 and options // 4 % 4 < 3 and options < 128, "encoder: options of klauspost")
    need(10 <= block <= min(window, 17) and window <= 27, "encoder: window and blocks of klauspost")
    reader.end("encoder")
    return "klauspost zstd %s, %s" % (KLAUSPOST_VERSIONS[kind % 16], KLAUSPOST_LEVELS[kind // 16])


def is_zstd(written):
    return Reader(written).varint() >= FIRST_ZSTD


def is_many_frames(written):
    return Reader(written).varint() == CHUNKED


def name_of(written):
    kind, level = read_encoder(written)
    return "%s at level %d" % (kind[1], level)


def make(written, plain):
    """The deflate stream, or None if the encoder is not made here."""
    kind, level = read_encoder(written)
    if kind[0] not in MEMORY or not level or "ng" in zlib.ZLIB_RUNTIME_VERSION:
        return None
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, MEMORY[kind[0]])
    return deflate.compress(plain) + deflate.flush()
