"""Sections 3 to 5: chunks, segments, and the image's id."""

import struct
from collections import namedtuple

import xxhash

from .fields import M64, MIB, digest, need, varint
from .walk import Walker, skeleton_of

MAX_CHUNK, MAX_RECORDS, MAX_CHUNKS = 4 * MIB, 256, 1 << 25

Params = namedtuple("Params", "min avg max")
Record = namedtuple("Record", "id length")

GEAR = [int.from_bytes(digest(b"regrow gear " + bytes([byte]))[:8], "little") for byte in range(256)]


def cut(data, start, end, params):
    """Cuts data[start:end]; yields its chunks."""
    low, high = M64 // (4 * params.avg), M64 * 4 // params.avg
    while start < end:
        limit = min(start + params.max, end)
        at = start + params.min
        rolling = 0
        for byte in data[at - 64 : at]:
            rolling = (rolling << 1) + GEAR[byte] & M64
        for upto, below in ((min(start + params.avg, limit), low), (limit, high)):
            while at < upto and rolling >= below:
                rolling = (rolling << 1) + GEAR[data[at]] & M64
                at += 1
            if at < upto:
                break
        yield data[start : min(at, limit)]
        start = min(at, limit)


def contents_chunks(image, steps, params):
    """The chunks of the contents stream, as bytes, and None where a part may begin or end."""
    group, chunks = bytearray(), []

    def flush():
        if group:
            chunks.append(bytes(group))
            group.clear()

    for step in steps:
        if step[0] in ("level", "mark", "begin", "end"):
            flush()
        if step[0] in ("begin", "end"):
            chunks.append(None)
        if step[0] != "file":
            continue
        _, start, end, size, opaque = step
        if opaque or size >= params.avg // 2:
            flush()
            chunks += cut(image, start, end, params)
            continue
        if len(group) + size > params.max:
            flush()
        file = image[start:end]
        group += file
        spread = 2 * params.avg if len(group) < params.avg else params.avg // 2
        if len(group) >= params.min and (xxhash.xxh3_64_intdigest(file) % 2**32) * spread < len(file) * 2**32:
            flush()
    flush()
    return chunks


def record_of(chunk):
    return Record(digest(chunk), len(chunk))


def split(image, params, stretches=()):
    """The records of both streams of a plain image, skeleton first, by walking rules 1 and 2."""
    steps = Walker(image, stretches).steps
    (skeleton,) = skeleton_of(image, steps)
    both = cut(skeleton, 0, len(skeleton), params), contents_chunks(image, steps, params)
    return [[record_of(chunk) for chunk in stream] for stream in both]


def segments(records):
    """Splits one stream's records into segments."""
    out, segment = [], []
    for record in records:
        segment.append(record)
        ends = len(segment) >= 16 and int.from_bytes(record.id[:4], "little") < 2**32 // 48
        if ends or len(segment) == MAX_RECORDS:
            out.append(segment)
            segment = []
    return out + [segment] if segment else out


def segment_id(records):
    form = b"\x01" + b"".join(record.id + varint(record.length) for record in records)
    return digest(form, "regrow 2026 recipe segment v1")


def image_id(walk, params, streams):
    """Of the walking rules' version and the two streams' lists of segment ids."""
    form = struct.pack("<4I", walk, *params)
    for ids in streams:
        form += struct.pack("<I", len(ids)) + b"".join(ids)
    return digest(form, "regrow 2026 image id v1")


def read_record(reader):
    record = Record(reader.take(32), reader.varint())
    need(1 <= record.length <= MAX_CHUNK, "a record's length")
    return record
