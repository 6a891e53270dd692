#!/usr/bin/env python3
"""A second implementation of regrow's formats, written from FORMAT.md alone; it checks the first one.

    format_check.py INDEX STORE_DIR [IMAGE]...
    format_check.py --golden DIR

Decodes the index, verifies every pack of the store, rebuilds the image, splits it again with the index's
parameters, and compares: digest, records, segments, image id, and the bytes of each IMAGE given.
`--golden` does so for DIR/image.rgx and DIR/store, and compares the cuts with DIR/chunks-*.txt.
Prints one line; exits with 1 on the first mismatch. Packages: blake3, xxhash, zstandard.

"""

import json
import os
import struct
import sys
from collections import namedtuple

import blake3
import xxhash
import zstandard

INDEX_MAGIC, PACK_MAGIC, TRAILER_MAGIC = (b"\x89RG%c\r\n\x1a\n" % kind for kind in b"XPT")
KIB, MIB = 1 << 10, 1 << 20
MAX_CHUNK, MAX_FRAME, MAX_TAIL, MAX_BODY = 4 * MIB, 8 * MIB, 64 * MIB, 64 * MIB
MAX_LITERAL, MAX_RECORDS, MAX_CHUNKS = 64 * KIB, 256, 1 << 25
LITERAL, CONTENTS = 0, 1
BLOCK, MAX_LEVELS = 512, 8
M64 = (1 << 64) - 1

Params = namedtuple("Params", "min avg max")
Record = namedtuple("Record", "id length")
Index = namedtuple("Index", "params size digest image_id streams packs chunk_packs segment_packs")
Stream = namedtuple("Stream", "bytes chunks segments")  # segments: [(id, records)]
Pack = namedtuple("Pack", "size skeleton tail chunks segments")  # {id: bytes}, {id: [Record]}


class Mismatch(Exception):
    """What is not as it should be."""


def need(condition, text):
    if not condition:
        raise Mismatch(text)


def digest(data, context=None):
    return blake3.blake3(data, derive_key_context=context).digest()


# Section 1: numbers
def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


class Reader:
    """Takes fields from the front of some bytes, and never more than there are."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(count <= len(self.data) - self.at, "a field is longer than what holds it")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            need(value <= M64, "a varint of more than 64 bits")
            if byte < 128:
                need(byte or not shift, "a varint that is not the shortest")
                return value
            shift += 7

    def left(self):
        return self.at < len(self.data)

    def end(self, what):
        need(not self.left(), what + ": bytes behind the end")


# Section 2: an image as operations
def octal(field):
    """Optional spaces, digits (none mean 0), then NUL or space or the field's end; what is behind is ignored."""
    digits = field.lstrip(b" ")
    behind = digits.lstrip(b"01234567")
    return int(digits[: len(digits) - len(behind)] or b"0", 8) if behind[:1] in (b"", b"\0", b" ") else None


def header_size(block):
    """The size in a tar header, or None if the block is not one."""
    if len(block) < BLOCK or not any(block):
        return None
    plain = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(plain)
    signed = unsigned - 256 * sum(byte > 127 for byte in plain)
    if not any(48 <= byte <= 57 for byte in block[148:156]) or octal(block[148:156]) not in (unsigned, signed):
        return None
    if block[124] == 0x80:
        size = int.from_bytes(block[125:136], "big")
        return size if size < 1 << 63 else None
    return octal(block[124:136])


def decimal(digits, limit):
    """Decimal digits and nothing else."""
    short = digits.lstrip(b"0")[:20] or b"0"
    return int(short) if digits.isdigit() and int(short) < limit else None


def pax_size(data):
    """The `size` record of an extended header: the last one counts, also if its value is none, below
    2^63; one record that is not in the form makes all void, but what is left without a space is ignored."""
    size = None
    while b" " in data:
        length = decimal(data.split(b" ", 1)[0], len(data) + 1)
        if length is None or data[length - 1 : length] != b"\n":
            return None
        key, equals, value = data[: length - 1].partition(b" ")[2].partition(b"=")
        if not equals:
            return None
        if key == b"size":
            size = decimal(value, 1 << 63)
        data = data[length:]
    return size


class Walker:
    """Goes through an image. `parts`, in its order: ("literal", start, end), ("file", start, end, size, opaque)
    and ("level",) where a nested level starts or ends. `size` is what the file should have."""

    def __init__(self, image):
        self.image, self.parts = image, []
        if header_size(image[:BLOCK]) is None:
            self.parts.append(("file", 0, len(image), len(image), True))
        else:
            # The image's end is not known in advance: no size is cut to it, only what there is to read.
            self.level(0, 1 << 64, 1)

    def level(self, at, end, depth):
        start, image = at, self.image
        stop = min(end, len(image))
        override = None
        while at < stop:
            block = image[at : min(at + BLOCK, stop)]
            if len(block) < BLOCK or not any(block):
                at = self.literal(at, at + len(block), stop)
                continue
            size, kind = header_size(block), block[156:157]
            if size is None:
                self.parts.append(("file", at, stop, stop - at, True))
                return
            at = self.literal(at, at + BLOCK, stop)
            if kind in b"xgLKXV" and size <= MIB:
                found = pax_size(image[at : min(at + size, stop)]) if kind == b"x" else None
                override = override if found is None else found
                at = self.literal(at, at + size + -(at + size - start) % BLOCK, stop)
                continue
            if kind not in b"xgLKXV":
                size, override = size if override is None else override, None
            if kind in b"123456" and size:
                following = image[at : min(at + BLOCK, stop)]
                if len(following) < BLOCK or not any(following) or header_size(following) is not None:
                    size = 0
            elif kind == b"S":
                more = block[482]
                while more and at < stop:
                    more = at + BLOCK <= stop and image[at + 504]
                    at = self.literal(at, at + BLOCK, stop)
            at = self.data(at, min(size, end - at), stop, depth)
            at = self.literal(at, at + -(at - start) % BLOCK, stop)

    def data(self, at, size, stop, depth):
        """One entry's data, cut to what is left of an enclosing entry."""
        upto = min(at + size, stop)
        if size >= BLOCK and depth < MAX_LEVELS and header_size(self.image[at : min(at + BLOCK, upto)]) is not None:
            self.parts.append(("level",))
            self.level(at, at + size, depth + 1)
            self.parts.append(("level",))
        else:
            self.parts.append(("file", at, upto, size, False))
        return upto

    def literal(self, at, upto, stop):
        upto = min(upto, stop)
        self.parts.append(("literal", at, upto))
        return upto


def skeleton_of(image, parts):
    """Each file has a contents operation of its own, also where two of them touch."""
    out, literal = bytearray(), bytearray()
    for part in parts + [("end",)]:
        if part[0] == "literal":
            literal += image[part[1] : part[2]]
        elif part[0] == "end" or (part[0] == "file" and part[1] < part[2]):
            for at in range(0, len(literal), MAX_LITERAL):
                piece = literal[at : at + MAX_LITERAL]
                out += varint(len(piece) * 4 + LITERAL) + piece
            literal.clear()
            if part[0] == "file":
                out += varint((part[2] - part[1]) * 4 + CONTENTS)
    return bytes(out)


def assemble(skeleton, contents):
    """The image of two streams."""
    ops, data, out = Reader(skeleton), Reader(contents), bytearray()
    while ops.left():
        length, kind = divmod(ops.varint(), 4)
        need(kind in (LITERAL, CONTENTS) and length, "skeleton: an unknown or empty operation")
        need(kind == CONTENTS or length <= MAX_LITERAL, "skeleton: a literal is too long")
        out += (ops if kind == LITERAL else data).take(length)
    data.end("contents stream")
    return bytes(out)


# Section 3: chunks
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


def contents_chunks(image, parts, params):
    """The chunks of the contents stream, as bytes."""
    group, chunks = bytearray(), []

    def flush():
        if group:
            chunks.append(bytes(group))
            group.clear()

    for part in parts:
        if part[0] == "level":
            flush()
        if part[0] != "file":
            continue
        _, start, end, size, opaque = part
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


def split(image, params):
    """The records of both streams, skeleton first."""
    parts = Walker(image).parts
    skeleton = skeleton_of(image, parts)
    both = cut(skeleton, 0, len(skeleton), params), contents_chunks(image, parts, params)
    return [[Record(digest(chunk), len(chunk)) for chunk in stream] for stream in both]


# Sections 4 and 5: names
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


def image_id(params, streams):
    """Of the two streams' lists of segment ids."""
    form = struct.pack("<4I", 1, *params)
    for ids in streams:
        form += struct.pack("<I", len(ids)) + b"".join(ids)
    return digest(form, "regrow 2026 image id v1")


def read_record(reader):
    record = Record(reader.take(32), reader.varint())
    need(1 <= record.length <= MAX_CHUNK, "a record's length")
    return record


# Section 6: index
def read_runs(reader, packs):
    """One pack number for each chunk, or segment."""
    out = []
    for _ in range(reader.varint()):
        count, pack = reader.varint(), reader.varint()
        need(pack < packs and len(out) + count <= 2 * MAX_CHUNKS, "a run that cannot be")
        out += [pack] * count
    return out


def read_index(data):
    need(data[:8] == INDEX_MAGIC, "index: not an index")
    version, length = struct.unpack("<II", data[8:16])
    need(version == 1 and length <= MAX_BODY, "index: version or length")
    need(len(data) == 16 + length + 32 and digest(data[:-32]) == data[-32:], "index: length or checksum")
    body, sections, last = Reader(data[16:-32]), {}, 0
    while body.left():
        tag = body.take(1)[0]
        need(tag > last and (tag <= 7 or tag >= 128), "index: tag %d" % tag)
        last, sections[tag] = tag, Reader(body.take(body.varint()))
    need(all(tag in sections for tag in range(1, 7)), "index: a section is absent")

    one = sections[1]
    need(one.varint() == 1, "index: walking rules version")
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
    if 7 in sections:
        bytes(sections[7].data).decode("utf-8")
    need(name == image_id(params, [[one for one, _ in stream.segments] for stream in streams]), "index: image id")
    return Index(params, size, image_digest, name, streams, packs, chunk_packs, segment_packs)


# Section 7: packs
def read_frame(stored, records):
    """One zstd frame's chunks, checked."""
    total = sum(record.length for record in records)
    need(0 < total <= MAX_FRAME, "frame: length")
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
    need(len(data) >= 16 + 96 and data[:16] == PACK_MAGIC + struct.pack("<II", 1, 0), "pack: start")
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


# Section 8: store
def read_file(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def read_store(folder):
    """The parameters of a store, and all its packs, checked."""
    said = json.loads(read_file(folder, "regrow.json"))
    need(said["format"] == 1 and said["walk"] == 1, "regrow.json: versions")
    params = Params(said["chunk_min"], said["chunk_avg"], said["chunk_max"])
    packs = {}
    for part in sorted(os.listdir(os.path.join(folder, "packs"))):
        for name in sorted(os.listdir(os.path.join(folder, "packs", part))):
            need(len(name) == 69 and name.endswith(".pack") and name[:2] == part, "store: what is %s?" % name)
            key = bytes.fromhex(name[:64])
            packs[key] = read_pack(read_file(folder, "packs", part, name), key)
    return params, packs


def rebuild(index, packs):
    """The image, and the records of its streams."""
    for name, size, skeleton, tail in index.packs:
        need(name in packs, "the store has no pack %s" % name.hex())
        need(packs[name][:3] == (size, skeleton, tail), "index: a pack's size or offsets")
    named = [packs[pack[0]] for pack in index.packs]
    chunk_packs, segment_packs = iter(index.chunk_packs), iter(index.segment_packs)
    records, streams = [], []
    for stream in index.streams:
        of_stream = []
        for name, count in stream.segments:
            found = named[next(segment_packs)].segments.get(name)
            need(found is not None and len(found) == count, "a segment is not where the index says")
            of_stream += found
        out = bytearray()
        for record in of_stream:
            chunk = named[next(chunk_packs)].chunks.get(record.id)
            need(chunk is not None and len(chunk) == record.length, "a chunk is not where the index says")
            out += chunk
        need(len(out) == stream.bytes, "index: length of a stream")
        records.append(of_stream)
        streams.append(bytes(out))
    image = assemble(*streams)
    need(len(image) == index.size, "the image's size")
    need(digest(image) == index.digest, "the image's digest")
    return image, records


def check(index_path, store, images):
    index = read_index(read_file(index_path))
    params, packs = read_store(store)
    need(params == index.params, "regrow.json and the index have other parameters")
    image, records = rebuild(index, packs)
    for path in images:
        need(read_file(path) == image, "%s is not the image" % path)
    again = split(image, index.params)
    for name, mine, theirs in zip(("skeleton", "contents"), again, records):
        for number, (one, other) in enumerate(zip(mine, theirs)):
            need(one == other, "%s chunk %d: cut here %s, stored %s" % (name, number, one, other))
        need(len(mine) == len(theirs), "%s: %d chunks here, %d stored" % (name, len(mine), len(theirs)))
    names = [[segment_id(segment) for segment in segments(stream)] for stream in again]
    need(image_id(index.params, names) == index.image_id, "the image id")
    print(
        "%s: good: %d bytes, %d + %d chunks, %d + %d segments, %d of %d packs, image id %s"
        % (os.path.basename(index_path), len(image), *map(len, records), *map(len, names),
           len(index.packs), len(packs), index.image_id.hex()[:16])
    )  # fmt: skip
    return image


def golden(folder):
    image = check(os.path.join(folder, "image.rgx"), os.path.join(folder, "store"), [])
    for name, avg in (("default", 16 * KIB), ("small", KIB)):
        text = ""
        for stream, records in zip(("skeleton", "contents"), split(image, Params(avg // 4, avg, avg * 4))):
            offset = 0
            for record in records:
                text += "%s %d %d %s\n" % (stream, offset, record.length, record.id.hex())
                offset += record.length
        need(text.encode() == read_file(folder, "chunks-%s.txt" % name), "chunks-%s.txt" % name)
    print("golden chunks: good")


def main(arguments):
    if len(arguments) < 2 or (arguments[0] == "--golden" and len(arguments) != 2):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if arguments[0] == "--golden":
            golden(arguments[1])
        else:
            check(arguments[0], arguments[1], arguments[2:])
    except (Mismatch, OSError, ValueError, KeyError, struct.error, zstandard.ZstdError) as problem:
        print("format_check: %s: %s" % (arguments[0], problem), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
