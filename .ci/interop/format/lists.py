"""What indexes of both versions list."""

from collections import namedtuple

from .chunks import MAX_CHUNKS
from .fields import KIB, Reader, need

# `shares`: what is listed of each stream, in version 2 of each unit's part of it, skeletons first. `plain` and `head`
# are None in version 1.
Index = namedtuple(
    "Index", "walk params size digest image_id plain shares packs chunk_packs segment_packs codings places head"
)
Share = namedtuple("Share", "bytes chunks segments")  # segments: [(id, records)]


def read_sections(data, known, needed, what):
    """The sections by their tags, as readers. Those from 128 on that are not known are skipped."""
    body, sections, last = Reader(data), {}, 0
    while body.left():
        tag = body.take(1)[0]
        need(tag > last and (tag in known or tag >= 128), "%s: tag %d" % (what, tag))
        last, sections[tag] = tag, Reader(body.take(body.varint()))
    need(all(tag in sections for tag in needed), "%s: a section is absent" % what)
    return sections


def read_share(reader, size):
    """A share of a stream that has `size` bytes."""
    chunks, count = reader.varint(), reader.varint()
    need(chunks <= MAX_CHUNKS and count <= chunks, "index: numbers of chunks and segments")
    found = []
    for _ in range(count):
        need(reader.take(1)[0] == 1, "index: kind of a segment")
        found.append((reader.take(32), reader.varint()))
    need(sum(records for _, records in found) == chunks, "index: number of records")
    return Share(size, chunks, found)


def read_packs(reader):
    return [(reader.take(32), reader.varint(), reader.varint(), reader.varint()) for _ in range(reader.varint())]


def read_runs(reader, packs, count):
    """One pack number for each of `count` chunks, or segments."""
    out = []
    for _ in range(reader.varint()):
        length, pack = reader.varint(), reader.varint()
        need(pack < packs and len(out) + length <= count, "index: a run that cannot be")
        out += [pack] * length
    need(len(out) == count, "index: runs of too few")
    return out


def read_place(reader):
    """Where the store lies, relative to the index."""
    place = reader.data.decode("utf-8")
    need(len(reader.data) <= 4096 and not place.startswith("/"), "index: place of the store")
    return place


def check_fresh(reader, packs):
    """The numbers of packs that are new with the image."""
    count = 0
    while reader.left():
        need(reader.varint() < packs and count < 64, "index: new packs")
        count += 1


def check_skeleton(plain, skeleton, contents):
    """FORMAT.md, section 11: bytes of the skeleton."""
    need(contents <= plain, "more contents than plain bytes")
    need(skeleton <= plain - contents + plain // 16 + 64 * KIB, "the skeleton is too long")


def check_chunks(plain, params, sizes, counts):
    """FORMAT.md, section 11: chunks of both streams, which have these sizes."""
    least = min(params.min, params.max - params.avg // 2)
    for size, count in zip(sizes, counts):
        need(count <= 1024 + size // least + plain // 512, "too many chunks")
