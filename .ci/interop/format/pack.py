"""Section 7: frames and packs."""

import struct
from collections import namedtuple

import zstandard

from .chunks import MAX_RECORDS, read_record, segment_id
from .fields import KIB, MIB, Reader, digest, need

MAGIC, TRAILER_MAGIC = b"\x89RGP\r\n\x1a\n", b"\x89RGT\r\n\x1a\n"
MAX_FRAME, MAX_TAIL = 8 * MIB, 64 * MIB

Pack = namedtuple("Pack", "size skeleton tail chunks segments")  # {id: bytes}, {id: [Record]}


def read_frame(stored, records):
    """One zstd frame's chunks, checked."""
    total = sum(record.length for record in records)
    need(0 < total <= MAX_FRAME, "frame: length")
    need(len(stored) <= total + total // 128 + KIB, "frame: stored bytes")
    need(len({record.id for record in records}) == len(records), "frame: an id twice")
    inflate = zstandard.ZstdDecompressor().decompressobj()
    plain = inflate.decompress(stored)
    need(inflate.eof and not inflate.unused_data and len(plain) == total, "frame: not one frame of its chunks")
    reader, out = Reader(plain), {}
    for record in records:
        out[record.id] = reader.take(record.length)
        need(digest(out[record.id]) == record.id, "frame: a chunk is not what its id says")
    return out


def read_segment(stored, table):
    """Expands a stored form to its records."""
    reader, out = Reader(stored), []
    while reader.left():
        count, kind = divmod(reader.varint(), 2)
        need(0 < count <= MAX_RECORDS - len(out), "segment: number of records")
        if kind == 0:
            out += [read_record(reader) for _ in range(count)]
        else:
            first = reader.varint()
            need(first + count <= len(table), "segment: chunks that the pack does not have")
            out += table[first : first + count]
    return out


def read_pack(data, name):
    need(len(data) >= 16 + 96 and data[:16] == MAGIC + struct.pack("<II", 1, 0), "pack: start")
    need(digest(data) == name, "pack: not what its name says")
    trailer = len(data) - 96
    skeleton, tail, at, size = struct.unpack("<4Q", data[trailer : trailer + 32])
    need(data[trailer + 64 :] == struct.pack("<II", 1, 0) + bytes(16) + TRAILER_MAGIC, "pack: trailer")
    need(size == len(data) and 16 <= skeleton <= tail <= at <= trailer, "pack: offsets")
    need(size - tail <= MAX_TAIL, "pack: length of the tail")
    need(digest(data[tail:trailer]) == data[trailer + 32 : trailer + 64], "pack: checksum of the tail")

    reader, frames, table = Reader(data[at:trailer]), [], []
    for _ in range(reader.varint()):
        need(reader.take(1)[0] == 1, "pack: kind of a frame")
        stored, count = reader.varint(), reader.varint()
        records = [read_record(reader) for _ in range(count)]
        table += records
        frames.append((stored, records))
    stored_segments = [(reader.take(32), reader.varint()) for _ in range(reader.varint())]
    reader.end("pack: table")

    chunks, found, starts = {}, {}, []
    reader = Reader(data[16:tail])
    for stored, records in frames:
        starts.append(16 + reader.at)
        chunks.update(read_frame(reader.take(stored), records))
    reader.end("pack: frames")
    need(skeleton in starts + [tail], "pack: the skeleton's part is not at a frame")
    reader = Reader(data[tail:at])
    for name_of, stored in stored_segments:
        found[name_of] = read_segment(reader.take(stored), table)
        need(segment_id(found[name_of]) == name_of, "pack: a segment is not what its id says")
    reader.end("pack: segments")
    return Pack(size, skeleton, tail, chunks, found)
