"""docs/format/corrections.md, section 3: streams of a patch's members, rebuilder 1. The prediction of preflate-rs is
not made here, except where it is zlib's own and nothing is to be corrected."""

import zlib

from .fields import Reader, need

FOREIGN, LISTED, TOLD = 0x3F, 0x80, 0x40


def rebuild_stream(corrections, plain):
    """The deflate stream, or None if it is not made here."""
    need(corrections, "corrections of a member: none")
    code = corrections[0] & 0x3F
    if code == FOREIGN:
        reader = Reader(corrections[1:])
        reader.take(reader.take(1)[0])
        return None
    need(code < 36, "corrections of a member: unknown compressor")
    reader = Reader(corrections[1:])
    while reader.left():
        reader.varint()
    if len(corrections) > 1 or code >= 18 or "ng" in zlib.ZLIB_RUNTIME_VERSION:
        return None
    deflate = zlib.compressobj(code % 9 + 1, zlib.DEFLATED, -15, 8 + code // 9)
    return deflate.compress(plain) + deflate.flush()
