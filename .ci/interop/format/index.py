"""Section 6: an index."""

import struct
from collections import namedtuple

from .chunks import MAX_CHUNK, Params, image_id
from .codings import read_codings
from .fields import MIB, Reader, digest, need

MAGIC = b"\x89RGX\r\n\x1a\n"
MAX_BODY, MAX_CHUNKS = 64 * MIB, 1 << 25

Index = namedtuple("Index", "walk params size digest image_id streams packs chunk_packs segment_packs codings")
Stream = namedtuple("Stream", "bytes chunks segments")  # segments: [(id, records)]


def read_runs(reader, packs):
    """One pack number for each chunk, or segment."""
    out = []
    for _ in range(reader.varint()):
        count, pack = reader.varint(), reader.varint()
        need(pack < packs and len(out) + count <= 2 * MAX_CHUNKS, "a run that cannot be")
        out += [pack] * count
    return out


def read_place(reader):
    """Where the store lies, relative to the index."""
    place = reader.data.decode("utf-8")
    need(len(reader.data) <= 4096 and not place.startswith("/"), "index: place of the store")


def read_hints(sections, packs):
    if 128 in sections:
        count = 0
        while sections[128].left():
            need(sections[128].varint() < packs and count < 64, "index: new packs")
            count += 1
    if 129 in sections:
        size = len(sections[129].data)
        need(size % 32 == 0 and size <= 64 * 32, "index: patches")


def read_index(data):
    need(data[:8] == MAGIC, "index: not an index")
    version, length = struct.unpack("<II", data[8:16])
    need(version == 1 and length <= MAX_BODY, "index: version or length")
    need(len(data) == 16 + length + 32 and digest(data[:-32]) == data[-32:], "index: length or checksum")
    body, sections, last = Reader(data[16:-32]), {}, 0
    while body.left():
        tag = body.take(1)[0]
        need(tag > last and (tag <= 8 or tag >= 128), "index: tag %d" % tag)
        last, sections[tag] = tag, Reader(body.take(body.varint()))
    need(all(tag in sections for tag in range(1, 8)), "index: a section is absent")

    one = sections[1]
    walk = one.varint()
    need(walk == (2 if 8 in sections else 1), "index: walking rules version")
    params = Params(one.varint(), one.varint(), one.varint())
    need(64 <= params.min <= params.avg <= params.max <= MAX_CHUNK, "index: parameters")
    two = sections[2]
    size, image_digest, name = two.varint(), two.take(32), two.take(32)
    streams = []
    for kind in (1, 2):
        three = sections[3]
        need(three.take(1)[0] == kind, "index: order of the streams")
        total, chunks, count = three.varint(), three.varint(), three.varint()
        need(chunks <= MAX_CHUNKS and count <= chunks, "index: numbers of chunks and segments")
        found = []
        for _ in range(count):
            need(three.take(1)[0] == 1, "index: kind of a segment")
            found.append((three.take(32), three.varint()))
        need(sum(records for _, records in found) == chunks, "index: number of records")
        streams.append(Stream(total, chunks, found))
    four = sections[4]
    packs = [(four.take(32), four.varint(), four.varint(), four.varint()) for _ in range(four.varint())]
    chunk_packs, segment_packs = (read_runs(sections[tag], len(packs)) for tag in (5, 6))
    need(len(chunk_packs) == sum(stream.chunks for stream in streams), "index: chunk runs")
    need(len(segment_packs) == sum(len(stream.segments) for stream in streams), "index: segment runs")
    for tag in range(1, 7):
        sections[tag].end("index: section %d" % tag)
    read_place(sections[7])
    read_hints(sections, len(packs))
    codings = read_codings(sections[8]) if 8 in sections else []
    need(name == image_id(walk, params, [[one for one, _ in stream.segments] for stream in streams]), "index: image id")
    return Index(walk, params, size, image_digest, name, streams, packs, chunk_packs, segment_packs, codings)
