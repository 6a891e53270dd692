"""Section 6.1, and docs/format/index-2.md, section 6: coded files, and how the image is made of the plain one."""

import itertools
import struct
import zlib
from collections import namedtuple

import zstandard

from .blocks import decode_block, is_block, make_block, read_block_encoder
from .corrections import check_corrections, corrected
from .encoders import is_many_frames, is_zstd, make, name_of, read_encoder
from .fields import MIB, digest, need
from .walk import BLOCK, Stretch, header_size

MAX_HEADER, MAX_ENCODER, MAX_TAIL = 65_536, 32, 65_536
MAX_MEMBERS, MAX_CORRECTIONS, MAX_PIECES, MAX_LITERALS = 1 << 20, 16 * MIB, 1 << 22, 16 * MIB
MAX_EXPANSION, MAX_ZSTD_EXPANSION = 1032, 32_768
MAX_BLOCK, MAX_KEPT, MAX_GAP, DIGEST = 1 << 24, 16 * MIB, 64, 16
MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC, SKIPPABLE_MAGIC = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"
TRAILER = struct.Struct("<II")

# A coded file is a list of these, also one of an index of version 1.
Literal = namedtuple("Literal", "bytes")
Plain = namedtuple("Plain", "plain")
Stream = namedtuple("Stream", "encoder plain stored corrections")
Trailer = namedtuple("Trailer", "")
# Those of disk images. A run's sizes are the plain bytes of its blocks; `plain` and `stored` count what is before them.
Kept = namedtuple("Kept", "plain stored bytes")
Run = namedtuple("Run", "encoder gap sizes plain stored digest")
OF_DISKS = Plain, Stream, Kept, Run


def plain_bytes(pieces):
    return sum(piece.plain for piece in pieces if isinstance(piece, OF_DISKS))


def is_disk(pieces):
    return isinstance(pieces[0], (Plain, Kept, Run))


def stored_bytes(pieces):
    sizes = {
        Literal: lambda piece: len(piece.bytes),
        Plain: lambda piece: piece.plain,
        Stream: lambda piece: piece.stored,
        Kept: lambda piece: piece.stored,
        Run: lambda piece: piece.stored,
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


class Pieces:
    """Reads the codings of version 2."""

    def __init__(self, reader):
        self.reader, self.literal, self.encoder = reader, None, None
        self.count = self.literals = self.corrections = self.kept = self.joined = 0

    def all(self):
        files = [self.file() for _ in range(self.reader.varint())]
        self.reader.end("codings")
        need(files, "codings: none")
        return files

    def file(self):
        kinds = self.literal_piece, self.plain, self.stream, Trailer, self.kept_block, self.run
        pieces = []
        for _ in range(self.reader.varint()):
            kind = self.reader.take(1)[0]
            need(kind < len(kinds), "codings: kind %d of a piece is not known" % kind)
            pieces.append(kinds[kind]())
            self.count += len(pieces[-1].sizes) if isinstance(pieces[-1], Run) else 1
            need(self.count <= MAX_PIECES, "codings: too many pieces")
        need(self.literals <= MAX_LITERALS and plain_bytes(pieces), "codings: literals, or a stretch without bytes")
        self.joined += joined_bytes(pieces)
        need(self.joined <= MAX_LITERALS, "codings: literals in a row")
        if is_disk(pieces):
            need(all(isinstance(piece, OF_DISKS) for piece in pieces), "codings: pieces of a disk image")
        for piece in pieces:
            is_whole = isinstance(piece, Stream) and not is_block(piece.encoder)
            need(not is_disk(pieces) or not is_whole, "codings: a stream in a disk image that is no block")
            need(is_disk(pieces) or is_whole or isinstance(piece, (Literal, Plain, Trailer)), "codings: a block in a file")
        return pieces

    def literal_piece(self):
        before, at = self.literal, self.reader.at
        self.literal = read_same(self.reader, before, MAX_HEADER)
        self.literals += self.reader.at - at if self.literal is not before else 0
        return Literal(self.literal)

    def plain(self):
        plain = self.reader.varint()
        need(plain, "codings: a plain piece without bytes")
        return Plain(plain)

    def of_encoder(self):
        self.encoder = read_same(self.reader, self.encoder, MAX_ENCODER)
        if is_block(self.encoder):
            read_block_encoder(self.encoder)
        else:
            read_encoder(self.encoder)
        return self.encoder

    def stream(self):
        encoder = self.of_encoder()
        plain, stored, more = (self.reader.varint() for _ in range(3))
        most = MAX_ZSTD_EXPANSION if is_zstd(encoder) else MAX_EXPANSION
        need(stored and plain <= most * stored, "codings: bytes of a stream")
        need(not is_zstd(encoder) or plain and (not more or is_block(encoder)), "codings: a zstd frame without bytes, or corrected")
        need(not is_block(encoder) or plain <= MAX_BLOCK and stored <= 2 * MAX_BLOCK, "codings: bytes of a block")
        self.corrections += more
        need(self.corrections <= MAX_CORRECTIONS, "codings: too many corrections")
        return Stream(encoder, plain, stored, self.reader.take(more))

    def kept_block(self):
        plain, stored = self.reader.varint(), self.reader.varint()
        need(1 <= plain <= MAX_BLOCK and stored and plain <= MAX_ZSTD_EXPANSION * stored, "codings: a kept block's bytes")
        self.kept += stored
        need(self.kept <= MAX_KEPT, "codings: too many kept blocks")
        return Kept(plain, stored, self.reader.take(stored))

    def run(self):
        encoder = self.of_encoder()
        need(is_block(encoder), "codings: an encoder that makes no blocks")
        gap, coded, largest = (self.reader.varint() for _ in range(3))
        need(gap <= MAX_GAP and 1 <= largest <= MAX_BLOCK, "codings: a run's numbers")
        of_blocks, (count, has_sizes) = self.reader.take(DIGEST), divmod(self.reader.varint(), 2)
        need(1 <= count <= MAX_PIECES, "codings: a run's blocks")
        smaller = [self.reader.varint() for _ in range(count)] if has_sizes else [0] * count
        need(all(by < largest for by in smaller), "codings: a block without bytes")
        sizes = [largest - by for by in smaller]
        need(coded >= count and sum(sizes) <= MAX_ZSTD_EXPANSION * coded, "codings: a run's bytes")
        return Run(encoder, gap, sizes, sum(sizes) + gap * count, coded + gap * count, of_blocks)


def read_pieces(reader):
    return Pieces(reader).all()


def joined_bytes(pieces):
    """The bytes of literals that stand several in a row."""
    total = 0
    for is_literal, row in itertools.groupby(pieces, lambda piece: isinstance(piece, Literal)):
        row = list(row)
        total += sum(len(piece.bytes) for piece in row) if is_literal and len(row) > 1 else 0
    return total


def has_zstd(files):
    streams = (piece for pieces in files for piece in pieces if isinstance(piece, Stream))
    return any(is_zstd(piece.encoder) and not is_block(piece.encoder) for piece in streams)


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
            is_alone = stretch.start == 0 and stretch.end == len(self.plain) and is_disk(codings[0])
            need(is_tar or len(file) >= MIB or is_alone, "codings: this is no candidate")
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
                out += self.piece(piece, of_piece, None if place is None else place + len(out))
        if is_disk(pieces):
            return bytes(out)
        is_candidate = out.startswith(ZSTD_MAGIC) or out[0] >> 4 == 5 and out[1:].startswith(SKIPPABLE_MAGIC)
        if not has_zstd([pieces]):
            is_candidate = out.startswith(MAGIC)
        need(len(out) >= BLOCK and is_candidate, "codings: this is no candidate")
        return bytes(out)

    def piece(self, piece, plain, place):
        """A piece in its coded form. `place`: where it lies in the image, None: in another."""
        if isinstance(piece, Plain):
            return plain
        if isinstance(piece, Kept):
            return piece.bytes
        if isinstance(piece, Run):
            return self.run(piece, plain, place)
        return self.block(piece, plain, place) if is_block(piece.encoder) else self.stream(piece, plain, place)

    def run(self, run, plain, place):
        out, hashed, at = bytearray(), bytearray(), 0
        for size in run.sizes:
            out += plain[at : at + run.gap]
            at += run.gap
            block = Stream(run.encoder, size, None, b"")
            block = self.block(block, plain[at : at + size], None if place is None else place + len(out))
            at += size
            out, hashed = out + block, hashed + block
        need(len(out) == run.stored, "codings: bytes of a run")
        need(digest(bytes(hashed))[:DIGEST] == run.digest, "codings: the digest of a run")
        return bytes(out)

    def block(self, piece, plain, place):
        made = None if piece.corrections else make_block(piece.encoder, plain)
        if made is None:
            name = read_block_encoder(piece.encoder)[1] + (", corrected" if piece.corrections else "")
            need(self.known is not None and place is not None, "%s are not made here: give the image" % name)
            self.taken.add(name)
            most = piece.stored or 2 * MAX_BLOCK
            held, stored = decode_block(piece.encoder, self.known[place : place + most], piece.plain)
            need(held == plain, "a block in the image does not hold the plain bytes")
            made = self.known[place : place + stored]
        need(piece.stored in (None, len(made)), "codings: bytes of a block")
        return made

    def stream(self, piece, plain, place):
        if piece.corrections:
            check_corrections(piece.corrections)
        made = make(piece.encoder, plain)
        if made is not None and piece.corrections:
            made = corrected(made, piece.corrections, plain)
        if made is None:
            name = name_of(piece.encoder)
            need(self.known is not None and place is not None, "%s is not made here: give the image" % name)
            self.taken.add(name)
            made = self.known[place : place + piece.stored]
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
