"""docs/format/index-2.md, sections 1 and 2: what an image consists of, and its ids."""

import hashlib
import struct
from collections import namedtuple

from .chunks import contents_chunks, cut, record_of, segment_id, segments
from .codings import has_zstd
from .fields import MIB, digest, need
from .walk import BLOCK, FILE, TAR, WHOLE, Divided, Walker, header_size, skeleton_of

# The version that parts are hashed with, and those of images with zstd files among the coded ones, and of disk images:
# which of these two, their file system says.
PART_WALK, ZSTD_WALK, DISK_WALKS = 3, 4, (5, 6)

# A part's kind is TAR or FILE, a wrapper's 0. `records`: of both streams. `place`: the wrapper's records before it.
Unit = namedtuple("Unit", "kind records place name plain")
Border = namedtuple("Border", "kind begins at skeleton contents")


def ids_of(records):
    return [segment_id(segment) for segment in segments(records)]


def unit_id(kind, params, streams, places=(), walk=PART_WALK):
    """Of both streams' lists of segment ids; `places` are the parts', for the wrapper."""
    form = struct.pack("<4IB", walk, *params, kind)
    for ids in streams:
        form += struct.pack("<I", len(ids)) + b"".join(ids)
    form += b"".join(struct.pack("<II", *place) for place in places)
    return digest(form, "regrow 2026 part id v1" if kind else "regrow 2026 wrapper id v1")


def image_id(wrapper, parts):
    """Of the units' ids."""
    return digest(wrapper + struct.pack("<I", len(parts)) + b"".join(parts), "regrow 2026 image id v2")


def name_of(plain):
    return hashlib.sha256(plain).digest()


def chunked(image, params, stretches, divided):
    """The records of both streams, where what may be a part begins and ends, and whether a candidate is a tar."""
    walker = divided or Walker(image, stretches, max(MIB, params.avg // 2))
    skeleton, starts = [], []
    for piece in skeleton_of(image, walker.steps):
        starts.append(len(skeleton))
        skeleton += map(record_of, cut(piece, 0, len(piece), params))
    contents, borders = [], []
    steps, pieces = (step for step in walker.steps if step[0] in ("begin", "end")), iter(starts[1:])
    for chunk in contents_chunks(image, walker.steps, params):
        if chunk is not None:
            contents.append(record_of(chunk))
            continue
        change, kind, at = next(steps)
        borders.append(Border(kind, change == "begin", at, 0 if kind == FILE else next(pieces), len(contents)))
    return (skeleton, contents), borders, walker.has_tar


def only_part(image, stretches, borders, records, divided):
    """The borders of the part that is all of an image without a tar in it."""
    if borders and borders[0].kind == WHOLE:
        return [borders[0], borders[-1]]
    is_coded = bool(stretches) and stretches[0].start == 0
    is_tar = divided or not is_coded and header_size(image[:BLOCK]) is not None
    kind, skeleton = (TAR, len(records[0])) if is_tar else (FILE, 0)
    return [Border(kind, True, 0, 0, 0), Border(kind, False, len(image), skeleton, len(records[1]))]


def split_in_units(image, params, stretches=(), divided=None):
    """The wrapper and the parts of a plain image, by walking rules 3 and 4, or by 5 and 6 if it is divided."""
    records, borders, has_tar = chunked(image, params, stretches, divided)
    if has_tar:
        borders = [border for border in borders if border.kind != WHOLE]
    else:
        borders = only_part(image, stretches, borders, records, divided)
    wrapper, parts, last = ([], []), [], (0, 0)
    for begin, end in zip(borders[::2], borders[1::2]):
        need(begin.begins and not end.begins and begin.kind == end.kind, "parts: a border of nothing")
        is_file = begin.kind == FILE
        first, behind = (begin.skeleton, begin.contents), (end.skeleton, end.contents)
        if is_file:
            first, behind = (last[0], first[1]), (last[0], behind[1])
        for stream in (0, 1):
            wrapper[stream].extend(records[stream][last[stream] : first[stream]])
        place = (0 if is_file else len(wrapper[0]), len(wrapper[1]))
        of_part = tuple(records[stream][first[stream] : behind[stream]] for stream in (0, 1))
        plain = image[begin.at : end.at]
        parts.append(Unit(FILE if is_file else TAR, of_part, place, name_of(plain), len(plain)))
        last = behind
    for stream in (0, 1):
        wrapper[stream].extend(records[stream][last[stream] :])
    return Unit(0, wrapper, None, None, None), parts


def woven(wrapper, parts):
    """The records of both streams, of those of the units as they are listed."""
    streams = []
    for stream in (0, 1):
        out, at = [], 0
        for part in parts:
            if stream or part.kind == TAR:
                out += wrapper.records[stream][at : part.place[stream]]
                at = part.place[stream]
            out += part.records[stream]
        streams.append(out + wrapper.records[stream][at:])
    return streams


def check_parts(index, rebuilt, stretches):
    """What an index of version 2 says of an image's units, against the image, which is cut again."""
    statement = index.head.statement
    # Which stretches a disk image has is taken from its skeleton: file systems are not read here.
    divided = Divided(rebuilt.streams[0]) if statement.walk in DISK_WALKS else None
    walk = statement.walk if divided else ZSTD_WALK if has_zstd(index.codings) else PART_WALK
    need(statement.walk == walk, "walking rules %d, not %d" % (statement.walk, walk))
    wrapper, parts = split_in_units(rebuilt.assembled.plain, statement.params, stretches, divided)
    stated_wrapper, stated = rebuilt.units
    need([part.kind for part in parts] == [part.kind for part in stated], "kinds or number of the parts")
    for number, (mine, theirs) in enumerate(zip([wrapper, *parts], [stated_wrapper, *stated])):
        for field in mine._fields:
            here, there = getattr(mine, field), getattr(theirs, field)
            need(here == there, "unit %d: %s: here %.200s, stated %.200s" % (number, field, here, there))
    ids = [unit_id(part.kind, statement.params, list(map(ids_of, part.records))) for part in parts]
    of_wrapper = unit_id(0, statement.params, list(map(ids_of, wrapper.records)), [part.place for part in parts], walk)
    need([of_wrapper, *ids] == [unit.id for unit in (statement.wrapper, *statement.parts)], "ids of units")
    need(image_id(of_wrapper, ids) == statement.image_id, "the image id")
