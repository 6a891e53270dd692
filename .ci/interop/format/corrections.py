"""docs/format/corrections.md, section 2: corrections of the stream that a known encoder makes."""

import zlib
from collections import namedtuple

from .fields import MIB, Reader, need

Channels = namedtuple("Channels", "blocks headers runs kinds lengths distances")


def check_corrections(data):
    """The bits behind the end, and the channels as lists of numbers."""
    need(len(data) >= 3 and data[0] == 1 and data[1] < 2, "corrections: version")
    form = data[2:]
    if data[1]:
        inflate = zlib.decompressobj(-15)
        form = inflate.decompress(form, 8 * MIB + 65)
        need(inflate.eof and not inflate.unused_data and len(form) <= 8 * MIB + 64, "corrections: not a deflate stream")
    reader = Reader(form)
    fill = reader.take(1)[0]
    need(fill < 128, "corrections: more than seven bits")
    sizes = [reader.varint() for _ in Channels._fields]
    channels = [numbers(Reader(reader.take(size))) for size in sizes]
    reader.end("corrections")
    return fill, Channels(*channels)


def numbers(reader):
    out = []
    while reader.left():
        out.append(reader.varint())
    return out


def corrected(made, data, plain):
    """The stream that an encoder nearly made; None, since corrections are not applied here."""
    return None
