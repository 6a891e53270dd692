"""docs/format/index-2.md, sections 3 and 4: the head of an index, and the statement in it."""

from collections import namedtuple

from .chunks import MAX_CHUNK, Params
from .fields import KIB, Mismatch, Reader, digest, need
from .lists import check_skeleton, read_place, read_sections
from .parts import image_id
from .signatures import read_signatures
from .walk import FILE, TAR

MAX_HEAD, MAX_PARTS, MAX_CHANNEL, MAX_PATCHES, MAX_PATCH = 256 * KIB, 1024, 255, 64, 256
MAX_BASE_PARTS, MAX_FOREIGN, MAX_SECTION_130, PREFIX = 1024, 1024, 24 * KIB, 8
STARTS = b"regrow image statement v1" + bytes(3)

Statement = namedtuple(
    "Statement",
    "channel counter signed_at expires_at size digest sha256 image_id plain walk params wrapper parts",
)
# What is stated of a unit; `plain` and `name` of a part alone.
Stated = namedtuple("Stated", "kind plain skeleton contents name id")
# `codings`: in the head, else in a block, or not there. `ill`: why the announced patches, or parts, count as none.
Head = namedtuple("Head", "statement signed store codings codings_block recipe signatures patches ill blocks_at")
Block = namedtuple("Block", "size digest")


def read_statement(data):
    reader = Reader(data)
    need(reader.take(len(STARTS)) == STARTS, "statement: not a statement")
    length = reader.varint()
    need(length <= MAX_CHANNEL, "statement: the channel is too long")
    channel = reader.take(length).decode("utf-8")
    need(not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in channel), "statement: the channel's characters")
    claims = [reader.varint() for _ in range(3)]
    image = [reader.varint(), reader.take(32), reader.take(32), reader.take(32), reader.varint()]
    walk, params = reader.varint(), Params(reader.varint(), reader.varint(), reader.varint())
    need(walk < 1 << 32, "statement: walking rules version")
    need(64 <= params.min <= params.avg <= params.max <= MAX_CHUNK, "statement: parameters")
    name, skeleton, contents = reader.take(32), reader.varint(), reader.varint()
    wrapper = Stated(0, None, skeleton, contents, None, name)
    parts, count = [], reader.varint()
    need(count <= MAX_PARTS, "statement: too many parts")
    for _ in range(count):
        kind, sizes = reader.take(1)[0], [reader.varint() for _ in range(3)]
        need(kind in (TAR, FILE), "statement: kind of a part")
        parts.append(Stated(kind, *sizes, reader.take(32), reader.take(32)))
    reader.end("statement")
    statement = Statement(channel, *claims, *image, walk, params, wrapper, parts)
    check_statement(statement)
    return statement


def check_statement(statement):
    parts, plain = statement.parts, statement.plain
    need(statement.image_id == image_id(statement.wrapper.id, [part.id for part in parts]), "statement: image id")
    need(sum(part.plain for part in parts) <= plain, "statement: the parts are longer than the image")
    for part in parts:
        if part.kind == FILE:
            need(part.skeleton == 0 and part.contents == part.plain, "statement: bytes of a file")
        else:
            check_skeleton(part.plain, part.skeleton, part.contents)
    units = [statement.wrapper, *parts]
    check_skeleton(plain, sum(unit.skeleton for unit in units), sum(unit.contents for unit in units))


def read_blocks(reader):
    size = reader.varint()
    codings = Block(size, reader.take(32)) if size else None
    recipe = Block(reader.varint(), reader.take(32))
    reader.end("head: blocks")
    return codings, recipe


def read_patches(reader):
    """(base, size) of each patch. A list that is malformed counts as none."""
    out = []
    try:
        count = reader.varint()
        need(count <= MAX_PATCHES, "too many patches")
        for _ in range(count):
            length = reader.varint()
            need(length <= MAX_PATCH, "a patch's entry is too long")
            entry = Reader(reader.take(length))
            if entry.take(1)[0] == 1:
                out.append((entry.take(32), entry.varint()))
                entry.end("a patch")
        reader.end("patches")
    except Mismatch as problem:
        return [], str(problem)
    return out, None


def read_base_parts(reader, own, patches):
    """For each patch, the beginnings of the unit ids and names of the parts that it starts from; `own` are those of the
    image itself. A section that is malformed counts as none."""
    known, out = list(own), []
    try:
        need(len(reader.data) <= MAX_SECTION_130, "base parts: the section is too long")
        count = reader.varint()
        need(count <= MAX_FOREIGN, "base parts: too many foreign ones")
        known += [(reader.take(PREFIX), reader.take(PREFIX)) for _ in range(count)]
        for _ in range(patches):
            found = []
            for _ in range(reader.varint()):
                start, length = reader.varint(), reader.varint()
                need(length and start + length <= len(known), "base parts: a range")
                found += known[start : start + length]
                need(len(found) <= MAX_BASE_PARTS, "base parts: too many of a patch")
            out.append(found)
        reader.end("base parts")
    except Mismatch as problem:
        return [[]] * patches, str(problem)
    return out, None


def read_announced(sections, statement):
    """(base, size, parts) of each patch, and why they count as none."""
    patches, ill = read_patches(sections[129]) if 129 in sections else ([], None)
    lists = [[]] * len(patches)
    if 130 in sections:
        own = [(part.id[:PREFIX], part.name[:PREFIX]) for part in statement.parts]
        lists, also = read_base_parts(sections[130], own, len(patches))
        ill = ill or also
    return [(*patch, parts) for patch, parts in zip(patches, lists)], ill


def read_head(data):
    """The head of an index; `data` may be its first bytes alone."""
    reader = Reader(data)
    reader.take(12)
    length = int.from_bytes(reader.take(4), "little")
    need(length <= MAX_HEAD, "head: it is too long")
    sections = read_sections(reader.take(length), range(1, 5), range(1, 4), "head")
    need(reader.take(32) == digest(data[: 16 + length]), "head: checksum")
    signed = sections[1].data
    statement = read_statement(signed)
    codings, recipe = read_blocks(sections[3])
    need(4 not in sections or codings is None, "head: codings here and in a block")
    need(4 in sections or codings or statement.size == statement.plain, "head: sizes of an image without coded files")
    signatures = read_signatures(sections[128]) if 128 in sections else []
    patches = read_announced(sections, statement)
    blocks = sections.get(4), codings, recipe
    return Head(statement, signed, read_place(sections[2]), *blocks, signatures, *patches, reader.at)
