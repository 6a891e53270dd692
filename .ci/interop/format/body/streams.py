"""Section 2: ops in six LZMA2 streams."""

import lzma

from ..fields import MIB, Reader, need
from .places import DISTANCE, Places, signed

DICTIONARIES = [(MIB, 0)] * 4 + [(2 * MIB, 0), (8 * MIB, 3)]
MAX_STREAM = 4 * MIB


def opened(dictionary, lc):
    kind = {"id": lzma.FILTER_LZMA2, "dict_size": dictionary, "lc": lc, "lp": 0, "pb": 0}
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[kind])


def decode_streams(body, base, length):
    reader, target, places = Reader(body), bytearray(), Places(len(base))
    unpackers = [opened(*one) for one in DICTIONARIES]
    while len(target) < length:
        ops = reader.varint()
        need(ops, "body: a block without ops")
        sizes = [(reader.varint(), reader.varint()) for _ in unpackers]
        streams = []
        for unpacker, (plain, packed) in zip(unpackers, sizes):
            need(max(plain, packed) <= MAX_STREAM, "body: a stream's length")
            stored = reader.take(packed)
            out = unpacker.decompress(stored, MAX_STREAM + 1) if packed else b""
            need(len(out) == plain, "body: a stream is not as long as said")
            streams.append(Reader(out))
        Block(streams, base, places, target, length).decode(ops)
    reader.end("body")
    return bytes(target)


class Block:
    """The ops of one block."""

    def __init__(self, streams, base, places, target, length):
        self.lengths, self.copies, self.ways, self.gaps, self.changes, self.literals = self.streams = streams
        self.base, self.places, self.target, self.length = base, places, target, length

    def decode(self, ops):
        gap = self.gap()
        for _ in range(ops):
            literal = self.lengths.varint()
            need(literal <= self.length - len(self.target), "body: an op beyond the target")
            self.target += self.literals.take(literal)
            copy = self.copies.varint()
            need(literal or copy, "body: an op that makes nothing")
            need(copy <= self.length - len(self.target), "body: an op beyond the target")
            if copy:
                gap = self.copy(copy, gap)
        need(gap is None, "body: a change behind the block's end")
        for stream in self.streams:
            stream.end("body: a stream")

    def gap(self):
        return self.gaps.varint() if self.gaps.left() else None

    def copy(self, length, gap):
        """Appends a copy; returns what is left of the gap before the next change."""
        way, at = self.ways.varint(), len(self.target)
        way, distance = min(way, DISTANCE), signed(max(way - DISTANCE, 0))
        start = self.places.of(way, distance, at)
        self.places.copied(start, length, at)
        piece, place = bytearray(self.base[start : start + length]), 0
        while gap is not None and gap < length - place:
            place += gap
            piece[place] = piece[place] + self.changes.take(1)[0] & 255
            place += 1
            gap = self.gap()
        self.target += piece
        return None if gap is None else gap - (length - place)
