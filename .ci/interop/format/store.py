"""Sections 8, 9 and 11: a store, an image out of it, its bounds, and what a cache keeps."""

import json
import os

from collections import namedtuple

from .chunks import Params
from .codings import Image, plain_bytes, stored_bytes
from .fields import digest, need
from .lists import check_chunks, check_skeleton
from .pack import read_pack
from .parts import Unit, name_of, woven
from .walk import assemble

MAX_NESTED = 8

Rebuilt = namedtuple("Rebuilt", "records streams assembled units")


def read_file(*path):
    with open(os.path.join(*path), "rb") as file:
        return file.read()


def read_store(folder):
    """The parameters of a store, and all its packs, checked."""
    said = json.loads(read_file(folder, "regrow.json"))
    need(said["format"] == 1 and said["walk"] == 1, "regrow.json: versions")
    params = Params(said["chunk_min"], said["chunk_avg"], said["chunk_max"])
    check_condemned(folder)
    packs = {}
    for part in sorted(os.listdir(os.path.join(folder, "packs"))):
        for name in sorted(os.listdir(os.path.join(folder, "packs", part))):
            need(len(name) == 69 and name.endswith(".pack") and name[:2] == part, "store: what is %s?" % name)
            key = bytes.fromhex(name[:64])
            packs[key] = read_pack(read_file(folder, "packs", part, name), key)
    return params, packs


def check_condemned(folder):
    """`gc.json`, if there is one. What is condemned may be there, or gone already."""
    path = os.path.join(folder, "gc.json")
    if not os.path.exists(path):
        return
    said = json.loads(read_file(path))
    need(said["format"] == 1, "gc.json: version")
    for entry in said["condemned"]:
        need(len(bytes.fromhex(entry["pack"])) == 32, "gc.json: a pack")
        need(all(isinstance(entry[key], int) and entry[key] >= 0 for key in ("at", "grace")), "gc.json: times")


def rebuild(index, packs):
    """The records of an image's streams, the streams, and the plain image that they make."""
    for name, size, skeleton, tail in index.packs:
        need(name in packs, "the store has no pack %s" % name.hex())
        need(packs[name][:3] == (size, skeleton, tail), "index: a pack's size or offsets")
    named = [packs[pack[0]] for pack in index.packs]
    records, units = records_of(index, named)
    chunk_packs, streams = iter(index.chunk_packs), []
    for of_stream in records:
        out = bytearray()
        for record in of_stream:
            chunk = named[next(chunk_packs)].chunks.get(record.id)
            need(chunk is not None and len(chunk) == record.length, "a chunk is not where the index says")
            out += chunk
        streams.append(bytes(out))
    assembled = assemble(*streams, 1 if units is None else MAX_NESTED)
    check_bounds(index, streams, records, assembled)
    return Rebuilt(records, streams, assembled, units)


def records_of(index, named):
    """The records of both streams, and in version 2 of the wrapper and the parts."""
    segment_packs, shares = iter(index.segment_packs), []
    for share in index.shares:
        records = []
        for name, count in share.segments:
            found = named[next(segment_packs)].segments.get(name)
            need(found is not None and len(found) == count, "a segment is not where the index says")
            records += found
        need(sum(record.length for record in records) == share.bytes, "index: length of a stream")
        shares.append(records)
    if index.head is None:
        return shares, None
    count = len(index.places) + 1
    of_units = list(zip(shares[:count], shares[count:]))
    wrapper, parts = Unit(0, of_units[0], None, None, None), []
    for stated, of_part, place in zip(index.head.statement.parts, of_units[1:], index.places):
        parts.append(Unit(stated.kind, of_part, place, stated.name, stated.plain))
    return woven(wrapper, parts), (wrapper, parts)


def image_of(index, rebuilt, known=None):
    """The image, checked. `known` gives the streams of encoders that are not made here."""
    image = Image(rebuilt.assembled, index.codings, known)
    need(len(image.bytes) == index.size, "the image's size")
    need(digest(image.bytes) == index.digest, "the image's digest")
    if index.head:
        need(name_of(image.bytes) == index.head.statement.sha256, "the image's SHA-256")
    return image


def check_bounds(index, streams, records, assembled):
    """Section 11: what a reader may refuse."""
    plain, coded = len(assembled.plain), sum(map(count_of, assembled.stretches))
    stored = sum(stored_bytes(pieces) - plain_bytes(pieces) for pieces in index.codings)
    need(index.plain in (None, plain) and plain == index.size - stored, "index: the image's size")
    need(coded <= 1 + plain // 512, "too many coded files")
    need(assembled.operations <= 1024 + plain // 256 + 4 * coded, "too many operations")
    check_skeleton(plain, *map(len, streams))
    check_chunks(plain, index.params, map(len, streams), map(len, records))


def count_of(stretch):
    return 1 + sum(map(count_of, stretch.inner))


def check_cache(folder, store):
    """Section 9: parts of packs and whole patches, as the store has them. Returns how many there are."""
    count = 0
    for part in sorted(os.listdir(folder)):
        need(os.stat(os.path.join(folder, part)).st_mode & 0o777 == 0o700, "cache: mode of a folder")
        for name in sorted(os.listdir(os.path.join(folder, part))):
            need(os.stat(os.path.join(folder, part, name)).st_mode & 0o777 == 0o600, "cache: mode of a file")
            kept = read_file(folder, part, name)
            if part == "patches":
                base, target = name.split("-")
                need(kept == read_file(store, "patches", base, target + ".patch"), "cache: not the patch")
            else:
                pack, offset, length = name.split("-")
                need(pack[:2] == part and len(kept) == int(length), "cache: what is %s?" % name)
                whole = read_file(store, "packs", part, pack + ".pack")
                need(whole[int(offset) :][: len(kept)] == kept, "cache: not the pack's bytes")
            count += 1
    return count
