"""Section 10: patches."""

import struct
import zlib
from collections import namedtuple

from .body import decode
from .fields import MIB, Reader, digest, need
from .predicted import rebuild_stream

MAGIC = b"\x89RGD\r\n\x1a\n"
HEAD, MAX_LISTS, MAX_MEMBERS, MAX_PLAIN = 128, 16 * MIB, 524_288, 4 * MIB
NO_TRAILER, GZIP, ZLIB = 0, 1, 2
TRAILER_BYTES = {NO_TRAILER: 0, GZIP: 8, ZLIB: 4}

Patch = namedtuple("Patch", "base target base_members target_members body expanded rebuilder")
BaseMember = namedtuple("BaseMember", "file offset stored plain")
TargetMember = namedtuple("TargetMember", "file trailer before plain corrections")


def heading(data):
    """The ids of base and target, and the rebuilder."""
    need(len(data) >= HEAD + 32 and data[:8] == MAGIC, "patch: not a patch")
    version, rebuilder = struct.unpack("<II", data[8:16])
    need(version == 1 and rebuilder < 2, "patch: version or rebuilder")
    return data[16:48], data[48:80], rebuilder


def read_patch(data, base_files, base_contents):
    """A patch whose base has these files, as their contents."""
    base, target, rebuilder = heading(data)
    size, _, chunks, chunk_bytes, stored, plain, expanded = struct.unpack("<4Q2IQ", data[80:HEAD])
    need(size == len(data) and digest(data[:-32]) == data[-32:], "patch: size or checksum")
    need(chunks <= chunk_bytes and plain <= MAX_LISTS and stored <= size - HEAD - 32, "patch: a number of the head")
    lists = Reader(decode(data[HEAD : HEAD + stored], b"", plain)) if stored else None
    base_members = read_base_members(lists, base_files, base_contents) if lists else []
    target_members = read_target_members(lists) if lists else []
    if lists:
        lists.end("patch: member lists")
    need(rebuilder or not target_members, "patch: corrections without a rebuilder")
    body = data[HEAD + stored : -32]
    return Patch(base, target, base_members, target_members, body, expanded, rebuilder)


def members(reader):
    """For each member of a list: its file, and whether more is told of it."""
    count, file = reader.varint(), 0
    need(count <= MAX_MEMBERS, "patch: too many members")
    for _ in range(count):
        skipped, told = divmod(reader.varint(), 2)
        file += skipped
        yield file, told


def read_base_members(reader, files, contents):
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


def files_of(rebuilt):
    out, at = [], 0
    for length in rebuilt.assembled.files:
        out.append(rebuilt.streams[1][at : at + length])
        at += length
    return out


def apply(data, base, skeleton_length):
    """The patch, and the target's space: its skeleton stream and its expanded contents."""
    files = files_of(base)
    patch = read_patch(data, files, base.streams[1])
    space = b"".join(base.streams)
    for member in patch.base_members:
        stored = files[member.file][member.offset : member.offset + member.stored]
        space += inflated(stored, member.plain)
    made = decode(patch.body, space, skeleton_length + patch.expanded)
    return patch, made[:skeleton_length], made[skeleton_length:]


def trailer_of(kind, plain):
    if kind == GZIP:
        return struct.pack("<II", zlib.crc32(plain), len(plain))
    return struct.pack(">I", zlib.adler32(plain)) if kind == ZLIB else b""


def contract(patch, expanded, files, known):
    """The target's contents stream of the expanded one. `files` are their lengths. A stream that is not made here
    comes from `known`, the contents themselves, and is only checked to hold the plain bytes. Also returns how many
    streams were made here."""
    reader, out, made_here = Reader(expanded), bytearray(), 0
    following = iter(patch.target_members)
    member = next(following, None)
    for number, length in enumerate(files):
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
