"""Section 6.1, and docs/format/index-2.md, section 6: coded files, and how the image is made of the plain one."""

import itertools
import struct
import zlib
from collections import namedtuple

import zstandard

from .corrections import check_corrections, corrected
from .encoders import is_many_frames, is_zstd, make, name_of, read_encoder
from .fields import MIB, need
from .walk import BLOCK, Stretch, header_size

MAX_HEADER, MAX_ENCODER, MAX_TAIL = 65_536, 32, 65_536
MAX_MEMBERS, MAX_CORRECTIONS, MAX_PIECES, MAX_LITERALS = 1 << 20, 16 * MIB, 1 << 22, 16 * MIB
MAX_EXPANSION, MAX_ZSTD_EXPANSION = 1032, 32_768
MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC, SKIPPABLE_MAGIC = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
TRAILER = struct.Struct("<II")

# A coded file is a list of these, also one of an index of version 1.
Literal = namedtuple("Literal", "bytes")
Plain = namedtuple("Plain", "plain")
Stream = namedtuple("Stream", "encoder plain stored corrections")
Trailer = namedtuple("Trailer", "")


def plain_bytes(pieces):
    return sum(piece.plain for piece in pieces if isinstance(piece, (Plain, Stream)))


def stored_bytes(pieces):
    sizes = {
        Literal: lambda piece: len(piece.bytes),
        Plain: lambda piece: piece.plain,
        Stream: lambda piece: piece.stored,
        Trailer: lambda piece: TRAILER.size,
    }
    return sum(sizes[type(piece)](piece) for piece in pieces)


def read_members(reader):
    """The codings of version 1."""
    files, header, encoder, members, corrections = [], None, None, 0, 0
    for _ in range(reader.varint()):
        pieces = []
        for _ in range(reader.varint()):
            header, encoder = read_same(reader, header, MAX_HEADER), read_same(reader, encoder, MAX_ENCODER)
            need(header.startswith(MAGIC), "codings: not the header of a gzip member")
            read_encoder(encoder)
            plain, stored, more = reader.varint(), reader.varint(), reader.varint()
            corrections, members = corrections + more, members + 1
            need(corrections <= MAX_CORRECTIONS and members <= MAX_MEMBERS, "codings: too many members or corrections")
            pieces += [Literal(header), Stream(encoder, plain, stored, reader.take(more)), Trailer()]
        need(pieces, "codings: a coded file without members")
        tail = reader.varint()
        need(tail <= MAX_TAIL, "codings: bytes behind the last member")
        files.append(pieces + ([Literal(reader.take(tail))] if tail else []))
    reader.end("codings")
    need(files, "codings: none")
    return files


def read_pieces(reader):
    """The codings of version 2."""
    files, literal, encoder, count, literals, corrections, joined = [], None, None, 0, 0, 0, 0
    for _ in range(reader.varint()):
        pieces = []
        for _ in range(reader.varint()):
            kind, count = reader.take(1)[0], count + 1
            need(kind < 4 and count <= MAX_PIECES, "codings: a kind that is not known, or too many pieces")
            if kind == 0:
                before, at = literal, reader.at
                literal = read_same(reader, before, MAX_HEADER)
                literals += reader.at - at if literal is not before else 0
                pieces.append(Literal(literal))
            elif kind == 1:
                pieces.append(Plain(reader.varint()))
            elif kind == 2:
                encoder = read_same(reader, encoder, MAX_ENCODER)
                read_encoder(encoder)
                plain, stored, more = reader.varint(), reader.varint(), reader.varint()
                most = MAX_ZSTD_EXPANSION if is_zstd(encoder) else MAX_EXPANSION
                need(stored and plain <= most * stored, "codings: bytes of a stream")
                need(not is_zstd(encoder) or plain and not more, "codings: a zstd frame without bytes, or corrected")
                corrections += more
                need(corrections <= MAX_CORRECTIONS, "codings: too many corrections")
                pieces.append(Stream(encoder, plain, stored, reader.take(more)))
            else:
                pieces.append(Trailer())
        need(literals <= MAX_LITERALS and plain_bytes(pieces), "codings: literals, or a stretch without bytes")
        joined += joined_bytes(pieces)
        need(joined <= MAX_LITERALS, "codings: literals in a row")
        files.append(pieces)
    reader.end("codings")
    need(files, "codings: none")
    return files


def joined_bytes(pieces):
    """The bytes of literals that stand several in a row."""
    total = 0
    for is_literal, row in itertools.groupby(pieces, lambda piece: isinstance(piece, Literal)):
        row = list(row)
        total += sum(len(piece.bytes) for piece in row) if is_literal and len(row) > 1 else 0
    return total


def has_zstd(files):
    return any(isinstance(piece, Stream) and is_zstd(piece.encoder) for pieces in files for piece in pieces)


def read_same(reader, before, limit):
    """A field with its length; 0 means that it is the same as before."""
    length = reader.varint()
    need(length <= limit and (length or before is not None), "codings: a header or an encoder")
    return reader.take(length) if length else before


class Image:
    """Puts an image together. Streams of encoders that are not made here come from `known`, the image itself, if it
    is given: they are only checked to hold the plain bytes."""

    def __init__(self, assembled, codings, known=None):
        self.known, self.taken, self.stretches = known, set(), []
        self.plain, self.codings = assembled.plain, iter(codings)
        out, at = bytearray(), 0
        for stretch in assembled.stretches:
            out += self.plain[at : stretch.start]
            file = self.file(stretch, len(out))
            is_tar = header_size(self.plain[stretch.start : min(stretch.start + BLOCK, stretch.end)]) is not None
            need(is_tar or len(file) >= MIB, "codings: this is no candidate")
            self.stretches.append(Stretch(stretch.start, stretch.end, len(file), stretch.inner))
            out += file
            at = stretch.end
        need(next(self.codings, None) is None, "codings: as many coded files as stretches")
        self.bytes = bytes(out + self.plain[at:])

    def file(self, stretch, place):
        """The coded file of a stretch, and of those in it. `place`: where it lies in the image, None: in another."""
        pieces = next(self.codings, None)
        need(pieces is not None, "codings: as many coded files as stretches")
        plain, at = bytearray(), stretch.start
        for one in stretch.inner:
            plain += self.plain[at : one.start] + self.file(one, None)
            at = one.end
        plain += self.plain[at : stretch.end]
        need(plain_bytes(pieces) == len(plain), "codings: plain bytes of a file")
        out, at, since = bytearray(), 0, 0
        for piece in pieces:
            if isinstance(piece, Literal):
                out += piece.bytes
            elif isinstance(piece, Trailer):
                out += TRAILER.pack(zlib.crc32(plain[since:at]), at - since & 0xFFFFFFFF)
                since = at
            else:
                of_piece = bytes(plain[at : at + piece.plain])
                at += piece.plain
                out += of_piece if isinstance(piece, Plain) else self.stream(piece, of_piece, place, len(out))
        is_candidate = out.startswith(ZSTD_MAGIC) or out[0] >> 4 == 5 and out[1:].startswith(SKIPPABLE_MAGIC)
        if not has_zstd([pieces]):
            is_candidate = out.startswith(MAGIC)
        need(len(out) >= BLOCK and is_candidate, "codings: this is no candidate")
        return bytes(out)

    def stream(self, piece, plain, place, at):
        if piece.corrections:
            check_corrections(piece.corrections)
        made = make(piece.encoder, plain)
        if made is not None and piece.corrections:
            made = corrected(made, piece.corrections, plain)
        if made is None:
            name = name_of(piece.encoder)
            need(self.known is not None and place is not None, "%s is not made here: give the image" % name)
            self.taken.add(name)
            made = self.known[place + at : place + at + piece.stored]
            if is_many_frames(piece.encoder):
                reader = zstandard.ZstdDecompressor().stream_reader(made, read_across_frames=True)
                need(reader.read() == plain, "a stream in the image does not hold the plain bytes")
                return made
            inflate = zlib.decompressobj(-15)
            if is_zstd(piece.encoder):
                inflate = zstandard.ZstdDecompressor().decompressobj()
            need(inflate.decompress(made) == plain, "a stream in the image does not hold the plain bytes")
            need(inflate.eof and not inflate.unused_data, "a stream in the image does not end where it should")
        need(len(made) == piece.stored, "codings: bytes of a stream")
        return made
