"""Section 6: an index of version 1; those of version 2 are handed on."""

import struct

from .chunks import MAX_CHUNK, Params, image_id
from .codings import read_members
from .fields import MIB, Reader, digest, need
from .index_2 import read_index_2
from .lists import Index, check_fresh, read_packs, read_place, read_runs, read_sections, read_share

MAGIC = b"\x89RGX\r\n\x1a\n"
MAX_INDEX = 64 * MIB


def read_index(data):
    need(data[:8] == MAGIC and len(data) <= MAX_INDEX, "index: not an index")
    version, length = struct.unpack("<II", data[8:16])
    need(version in (1, 2), "index: version %d" % version)
    return read_index_2(data) if version == 2 else read_index_1(data, length)


def read_index_1(data, length):
    need(len(data) == 16 + length + 32 and digest(data[:-32]) == data[-32:], "index: length or checksum")
    sections = read_sections(data[16:-32], range(1, 9), range(1, 8), "index")
    one = sections[1]
    walk = one.varint()
    need(walk == (2 if 8 in sections else 1), "index: walking rules version")
    params = Params(one.varint(), one.varint(), one.varint())
    need(64 <= params.min <= params.avg <= params.max <= MAX_CHUNK, "index: parameters")
    two = sections[2]
    size, image_digest, name = two.varint(), two.take(32), two.take(32)
    streams = []
    for kind in (1, 2):
        need(sections[3].take(1)[0] == kind, "index: order of the streams")
        streams.append(read_share(sections[3], sections[3].varint()))
    packs = read_packs(sections[4])
    chunk_packs = read_runs(sections[5], len(packs), sum(stream.chunks for stream in streams))
    segment_packs = read_runs(sections[6], len(packs), sum(len(stream.segments) for stream in streams))
    for tag in range(1, 7):
        sections[tag].end("index: section %d" % tag)
    read_place(sections[7])
    if 128 in sections:
        check_fresh(sections[128], len(packs))
    if 129 in sections:
        patches = len(sections[129].data)
        need(patches % 32 == 0 and patches <= 64 * 32, "index: patches")
    codings = read_members(sections[8]) if 8 in sections else []
    need(name == image_id(walk, params, [[one for one, _ in stream.segments] for stream in streams]), "index: image id")
    lists = streams, packs, chunk_packs, segment_packs
    return Index(walk, params, size, image_digest, name, None, *lists, codings, None, None)
