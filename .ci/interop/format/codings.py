"""Sections 2.3 and 6.1: coded files, and how the image is made of the plain one."""

import struct
import zlib
from collections import namedtuple

from .corrections import check_corrections, corrected
from .encoders import make, name_of, read_encoder
from .fields import MIB, need
from .walk import BLOCK, Stretch, header_size

MAX_HEADER, MAX_ENCODER, MAX_TAIL = 65_536, 32, 65_536
MAX_MEMBERS, MAX_CORRECTIONS = 1 << 20, 16 * MIB
MAGIC = b"\x1f\x8b\x08"

Coded = namedtuple("Coded", "members tail")
Member = namedtuple("Member", "header encoder plain stored corrections")


def read_codings(reader):
    files, header, encoder, members, corrections = [], None, None, 0, 0
    for _ in range(reader.varint()):
        of_file = []
        for _ in range(reader.varint()):
            header, encoder = read_same(reader, header, MAX_HEADER), read_same(reader, encoder, MAX_ENCODER)
            need(header.startswith(MAGIC), "codings: not the header of a gzip member")
            read_encoder(encoder)
            plain, stored, more = reader.varint(), reader.varint(), reader.varint()
            corrections, members = corrections + more, members + 1
            need(corrections <= MAX_CORRECTIONS and members <= MAX_MEMBERS, "codings: too many members or corrections")
            of_file.append(Member(header, encoder, plain, stored, reader.take(more)))
            if more:
                check_corrections(of_file[-1].corrections)
        need(of_file, "codings: a coded file without members")
        tail = reader.varint()
        need(tail <= MAX_TAIL, "codings: bytes behind the last member")
        files.append(Coded(of_file, reader.take(tail)))
    reader.end("codings")
    need(files, "codings: none")
    return files


def read_same(reader, before, limit):
    """A field with its length; 0 means that it is the same as before."""
    length = reader.varint()
    need(length <= limit and (length or before is not None), "codings: a header or an encoder")
    return reader.take(length) if length else before


class Image:
    """Puts an image together. Streams of encoders that are not made here come from `known`, the image itself, if it
    is given: they are only checked to hold the plain bytes."""

    def __init__(self, assembled, codings, known=None):
        need(len(assembled.stretches) == len(codings), "codings: as many coded files as stretches")
        self.known, self.taken, self.stretches = known, set(), []
        out, at = bytearray(), 0
        for stretch, coded in zip(assembled.stretches, codings):
            out += assembled.plain[at : stretch.start]
            start = len(out)
            self.file(out, coded, assembled.plain[stretch.start : stretch.end])
            self.stretches.append(Stretch(stretch.start, stretch.end, len(out) - start))
            at = stretch.end
        self.bytes = bytes(out + assembled.plain[at:])

    def file(self, out, coded, plain):
        start, at = len(out), 0
        need(sum(member.plain for member in coded.members) == len(plain), "codings: plain bytes of a file")
        for member in coded.members:
            of_member = plain[at : at + member.plain]
            at += member.plain
            out += member.header
            out += self.stream(member, of_member, len(out))
            out += struct.pack("<II", zlib.crc32(of_member), len(of_member) & 0xFFFFFFFF)
        out += coded.tail
        need(len(out) - start >= BLOCK, "codings: a candidate is at least a block")
        need(len(out) - start >= MIB or header_size(plain[:BLOCK]) is not None, "codings: this is no candidate")

    def stream(self, member, plain, at):
        made = make(member.encoder, plain)
        if made is not None and member.corrections:
            made = corrected(made, member.corrections, plain)
        if made is None:
            name = name_of(member.encoder)
            need(self.known is not None, "%s is not made here: give the image" % name)
            self.taken.add(name)
            made = self.known[at : at + member.stored]
            inflate = zlib.decompressobj(-15)
            need(inflate.decompress(made) == plain, "a stream in the image does not hold the plain bytes")
            need(inflate.eof and not inflate.unused_data, "a stream in the image does not end where it should")
        need(len(made) == member.stored, "codings: bytes of a deflate stream")
        return made
