"""Section 10, and docs/format/patch-2.md: patches."""

import struct
import zlib
from collections import namedtuple

from .body import decode
from .fields import MIB, Reader, digest, need
from .predicted import rebuild_stream
from .walk import FILE, assemble

MAGIC = b"\x89RGD\r\n\x1a\n"
HEAD, MAX_LISTS, MAX_MEMBERS, MAX_PLAIN, MAX_HELD = 128, 16 * MIB, 524_288, 4 * MIB, 1024
BY_IMAGE, BY_PARTS = 1, 2
NO_TRAILER, GZIP, ZLIB = 0, 1, 2
TRAILER_BYTES = {NO_TRAILER: 0, GZIP: 8, ZLIB: 4}

Patch = namedtuple("Patch", "version base target held base_members target_members body expanded rebuilder")
Base = namedtuple("Base", "streams files parts")  # A whole image has no parts here.
Part = namedtuple("Part", "id streams files")  # streams: the bytes of both
Held = namedtuple("Held", "target base places")  # places: in both streams of the target, without held parts
BaseMember = namedtuple("BaseMember", "file offset stored plain")
TargetMember = namedtuple("TargetMember", "file trailer before plain corrections")


def heading(data):
    """The ids of base and target, the version, and the rebuilder."""
    need(len(data) >= HEAD + 32 and data[:8] == MAGIC, "patch: not a patch")
    version, rebuilder = struct.unpack("<II", data[8:16])
    need(version in (BY_IMAGE, BY_PARTS) and rebuilder < 2, "patch: version or rebuilder")
    return data[16:48], data[48:80], version, rebuilder


def split_files(contents, lengths):
    out, at = [], 0
    for length in lengths:
        out.append(contents[at : at + length])
        at += length
    return out


def image_base(rebuilt):
    return Base(rebuilt.streams, split_files(rebuilt.streams[1], rebuilt.assembled.files), [])


def parts_base(parts):
    """The base of these parts, of which the first counts where two are the same."""
    parts = list({part.id: part for part in reversed(parts)}.values())[::-1]
    streams = [b"".join(part.streams[stream] for part in parts) for stream in (0, 1)]
    return Base(streams, [file for part in parts for file in part.files], parts)


def parts_of(units, ids, streams):
    """The parts of an image with the bytes of its streams."""
    wrapper, parts = units
    ends = [[0], [0]]
    for stream in (0, 1):
        for record in wrapper.records[stream]:
            ends[stream].append(ends[stream][-1] + record.length)
    taken, out = [0, 0], []
    for part, name in zip(parts, ids):
        own = []
        for stream in (0, 1):
            at = taken[stream] + ends[stream][part.place[stream]]
            length = sum(record.length for record in part.records[stream])
            own.append(streams[stream][at : at + length])
            taken[stream] += length
        files = [own[1]] if part.kind == FILE else split_files(own[1], assemble(*own).files)
        out.append(Part(name, own, files))
    return out


def read_patch(data, base, target_parts):
    """A patch from this base. `target_parts` are the ids of the target's."""
    base_id, target, version, rebuilder = heading(data)
    size, _, chunks, chunk_bytes, stored, plain, expanded = struct.unpack("<4Q2IQ", data[80:HEAD])
    need(size == len(data) and digest(data[:-32]) == data[-32:], "patch: size or checksum")
    need(chunks <= chunk_bytes and plain <= MAX_LISTS and stored <= size - HEAD - 32, "patch: a number of the head")
    lists = Reader(decode(data[HEAD : HEAD + stored], b"", plain)) if stored else None
    held = read_held(lists, base.parts, target_parts) if lists and version == BY_PARTS else []
    base_members = read_base_members(lists, base) if lists else []
    target_members = read_target_members(lists) if lists else []
    if lists:
        lists.end("patch: lists")
    need(rebuilder or not target_members, "patch: corrections without a rebuilder")
    body = data[HEAD + stored : -32]
    return Patch(version, base_id, target, held, base_members, target_members, body, expanded, rebuilder)


def read_held(reader, base_parts, target_parts):
    """The parts of the target that are among those of the base."""
    count, out, target, places = reader.varint(), [], -1, (0, 0)
    need(count <= MAX_HELD, "patch: too many held parts")
    for _ in range(count):
        target += reader.varint() + 1
        base = reader.varint()
        places = tuple(place + reader.varint() for place in places)
        need(target < len(target_parts) and base < len(base_parts), "patch: a held part that is not there")
        need(target_parts[target] == base_parts[base].id, "patch: a held part is another")
        need(base_parts[base].streams[0] or not out or places[0] == out[-1].places[0], "patch: the place of a file")
        out.append(Held(target, base, places))
    return out


def members(reader):
    """For each member of a list: its file, and whether more is told of it."""
    count, file = reader.varint(), 0
    need(count <= MAX_MEMBERS, "patch: too many members")
    for _ in range(count):
        skipped, told = divmod(reader.varint(), 2)
        file += skipped
        yield file, told


def read_base_members(reader, base):
    files, contents = base.files, base.streams[1]
    out, total, end = [], 0, (0, 0)
    for file, told in members(reader):
        need(file < len(files), "patch: a member of a file that is not there")
        if told:
            offset, stored, plain = reader.varint(), reader.varint(), reader.varint()
        else:
            data = files[file]
            need(len(data) >= 18, "patch: a file that is no gzip member")
            offset, stored, plain = 10, len(data) - 18, int.from_bytes(data[-4:], "little")
        need((file, offset) >= end and offset + stored <= len(files[file]), "patch: place of a base member")
        end, total = (file, offset + stored), total + plain
        need(plain <= MAX_PLAIN and total <= max(64 * MIB, 4 * len(contents)), "patch: plain bytes of base members")
        out.append(BaseMember(file, offset, stored, plain))
    return out


def read_target_members(reader):
    out = []
    for file, told in members(reader):
        trailer, before = (reader.take(1)[0], reader.varint()) if told else (GZIP, 10)
        need(trailer in TRAILER_BYTES, "patch: an unknown trailer")
        plain = reader.varint()
        need(plain <= MAX_PLAIN, "patch: plain bytes of a member")
        out.append(TargetMember(file, trailer, before, plain, reader.take(reader.varint())))
    return out


def inflated(stored, plain):
    inflate = zlib.decompressobj(-15)
    out = inflate.decompress(stored, plain + 1)
    need(len(out) == plain and inflate.eof and not inflate.unused_data, "patch: a stream is not as said")
    return out


def apply(data, base, skeleton_length, target_parts):
    """The patch, and the target's space: its skeleton stream and its expanded contents, without the held parts."""
    patch = read_patch(data, base, target_parts)
    space = b"".join(base.streams)
    for member in patch.base_members:
        stored = base.files[member.file][member.offset : member.offset + member.stored]
        space += inflated(stored, member.plain)
    skeleton_length -= sum(len(base.parts[held.base].streams[0]) for held in patch.held)
    need(skeleton_length >= 0, "patch: held parts are larger than the image")
    made = decode(patch.body, space, skeleton_length + patch.expanded)
    return patch, made[:skeleton_length], made[skeleton_length:]


def filled(coded, stream, patch, base):
    """A stream of the target, with its held parts."""
    out, at = [], 0
    for held in patch.held:
        place = held.places[stream]
        need(place <= len(coded), "patch: a held part beyond the end")
        out += [coded[at:place], base.parts[held.base].streams[stream]]
        at = place
    return b"".join([*out, coded[at:]])


def without_held(contents, lengths, patch, base):
    """What `filled` fills, of the target's contents; and of the lengths of its files, those of held parts None."""
    ranges, before = [], 0
    for held in patch.held:
        length = len(base.parts[held.base].streams[1])
        ranges.append((held.places[1] + before, held.places[1] + before + length))
        before += length
    out, at = bytearray(), 0
    for start, end in ranges:
        out += contents[at:start]
        at = end
    out += contents[at:]
    left, at = [], 0
    for length in lengths:
        is_held = any(start < at + length and at < end for start, end in ranges)
        left.append(None if is_held else length)
        at += length
    return bytes(out), left


def trailer_of(kind, plain):
    if kind == GZIP:
        return struct.pack("<II", zlib.crc32(plain), len(plain))
    return struct.pack(">I", zlib.adler32(plain)) if kind == ZLIB else b""


def contract(patch, expanded, files, known):
    """The target's contents stream of the expanded one, both without held parts. `files` are their lengths. A stream that
    is not made here comes from `known`, the contents themselves, and is only checked to hold the plain bytes. Also
    returns how many streams were made here."""
    reader, out, made_here = Reader(expanded), bytearray(), 0
    following = iter(patch.target_members)
    member = next(following, None)
    for number, length in enumerate(files):
        if length is None:
            need(not member or member.file != number, "patch: a member in a held part")
            continue
        end = len(out) + length
        while member and member.file == number:
            out += reader.take(member.before)
            plain = reader.take(member.plain)
            stream = rebuild_stream(member.corrections, plain)
            made_here += stream is not None
            if stream is None:
                inflate = zlib.decompressobj(-15)
                held = inflate.decompress(known[len(out) : end])
                need(held == plain and inflate.eof, "patch: a member's plain bytes")
                stream = known[len(out) : end - len(inflate.unused_data)]
            out += stream + trailer_of(member.trailer, plain)
            member = next(following, None)
        need(len(out) <= end, "patch: a member beyond its file")
        out += reader.take(end - len(out))
    need(member is None, "patch: a member of a file that is not there")
    reader.end("patch: expanded contents")
    return bytes(out), made_here
