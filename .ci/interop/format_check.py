#!/usr/bin/env python3
"""A second implementation of regrow's formats, written from FORMAT.md and docs/format/ alone; it checks the first one.

    format_check.py INDEX STORE_DIR [IMAGE [--coded] [--parts]]
    format_check.py --patch BASE_INDEX TARGET_INDEX STORE_DIR [--members]
    format_check.py --body BODY BASE TARGET
    format_check.py --cache CACHE_DIR STORE_DIR
    format_check.py --golden DIR
    format_check.py --golden-patch DIR
    format_check.py --index INDEX [STATEMENT]
    format_check.py --signed INDEX KEY...
    format_check.py --common INDEX INDEX COUNT

Decodes the index, verifies every pack of the store, rebuilds the image, splits it again with the index's
parameters, and compares: digest, records, segments, image id, and the bytes of IMAGE; in version 2 also the parts,
their names, places and ids, and what the announced patches are. `--coded`: there must be coded files; `--parts`: there
must be two parts.
`--patch` applies the store's patch between two images, and compares the streams that it makes with the target's.
`--members`: it must see through compressed files. `--body` does so for a coded body alone.
`--cache` compares what a cache keeps with the store.
`--index` checks an index of version 2 alone, and whether it has the statement of a file.
`--signed` checks that each key signed what the index states: public keys of minisign's or in PEM.
`--common` checks that two images have at least COUNT parts in common, which then have one name and one id.
`--golden` checks DIR/image.rgx, DIR/store, and what there is of DIR/image.tar, DIR/patch, and DIR/chunks-*.txt, the
cuts.
`--golden-patch` applies DIR/old-to-new.patch, which starts from the parts of DIR/old.tar, to make DIR/new.tar.
Prints one line; exits with 1 on the first mismatch. Packages: blake3, xxhash, zstandard.

Not made again are streams of encoders other than zlib (format/encoders.py says which), and those of a patch's
members that a foreign compressor made (format/predicted.py). They are taken from the image, which must be given then,
and are checked to hold the plain bytes; all that describes them is parsed.
"""

import io
import lzma
import os
import struct
import sys
import tarfile
import zlib
from collections import namedtuple

import zstandard

from format.body import decode
from format.chunks import Params, image_id, segment_id, segments, split
from format.fields import KIB, MIB, Mismatch, need
from format.index import read_index
from format.parts import check_parts, ids_of, split_in_units, unit_id
from format.parts import image_id as parted_id
from format.patch import BY_PARTS, apply, contract, filled, heading, image_base, parts_base, parts_of, without_held
from format.signatures import is_of, read_key
from format.store import Rebuilt, check_cache, image_of, read_file, read_store, rebuild
from format.walk import Stretch, Walker, assemble, skeleton_of

PARAMS = Params(4 * KIB, 16 * KIB, 64 * KIB)  # the default ones
Side = namedtuple("Side", "id rebuilt parts")  # of a patch; parts: there are none in version 1
REASONS = (Mismatch, OSError, ValueError, KeyError, struct.error, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def check(index_path, store, image_path=None, coded=False, parts=False):
    index = read_index(read_file(index_path))
    params, packs = read_store(store)
    need(params == index.params, "regrow.json and the index have other parameters")
    rebuilt = rebuild(index, packs)
    known = read_file(image_path) if image_path else None
    image = image_of(index, rebuilt, known)
    need(known in (None, image.bytes), "%s is not the image" % image_path)
    need(index.codings or not coded, "there are no coded files")
    need(not parts or index.head and len(index.places) > 1, "there are no parts")
    if index.head:
        check_parts(index, rebuilt, image.stretches)
        check_announced(index, store)
    else:
        check_streams(index, rebuilt, image.stretches)
    print(
        "%s: good: %d bytes, %d coded files, %d + %d chunks, %d segments, %s%d of %d packs, image id %s%s"
        % (os.path.basename(index_path), len(image.bytes), len(index.codings), *map(len, rebuilt.records),
           len(index.segment_packs), "%d parts, " % len(index.places) if index.head else "",
           len(index.packs), len(packs), index.image_id.hex()[:16],
           "".join("; not made here: " + name for name in sorted(image.taken)))
    )  # fmt: skip
    return rebuilt.assembled.plain


def check_streams(index, rebuilt, stretches):
    """An image of version 1, cut again."""
    again = split(rebuilt.assembled.plain, index.params, stretches)
    for name, mine, theirs in zip(("skeleton", "contents"), again, rebuilt.records):
        for number, (one, other) in enumerate(zip(mine, theirs)):
            need(one == other, "%s chunk %d: cut here %s, stored %s" % (name, number, one, other))
        need(len(mine) == len(theirs), "%s: %d chunks here, %d stored" % (name, len(mine), len(theirs)))
    names = [[segment_id(segment) for segment in segments(stream)] for stream in again]
    need(image_id(index.walk, index.params, names) == index.image_id, "the image id")


def check_announced(index, store):
    """The patches that a head announces, as far as they are there."""
    need(index.head.ill is None, "head: patches: %s" % index.head.ill)
    for base, size, _ in index.head.patches:
        path = os.path.join(store, "patches", base.hex(), index.image_id.hex() + ".patch")
        if os.path.exists(path):
            patch = read_file(path)
            need(size in (0, len(patch)), "an announced patch has another size")
            need(heading(patch)[:2] == (base, index.image_id), "an announced patch is of other images")


def check_index(path, statement=None):
    index = read_index(read_file(path))
    need(index.head is not None, "an index of version 1")
    need(statement is None or read_file(statement) == index.head.signed, "the statement is another")
    head = index.head
    need(head.ill is None, "head: patches: %s" % head.ill)
    print(
        "%s: good: %d bytes, %d coded files, %d parts, %d signatures, patches from %s parts, channel %r, image id %s"
        % (os.path.basename(path), index.size, len(index.codings), len(index.places), len(head.signatures),
           [len(parts) for _, _, parts in head.patches], head.statement.channel, index.image_id.hex()[:16])
    )  # fmt: skip


def check_signed(path, *keys):
    head = read_index(read_file(path)).head
    need(head is not None, "an index of version 1")
    for file in keys:
        key = read_key(read_file(file))
        need(any(is_of(key, one, head.signed) for one in head.signatures), "not signed by %s" % file)
    print("%s: good: signed by %d keys" % (os.path.basename(path), len(keys)))


def check_patch(base_path, target_path, store, members=False):
    base_index, target_index = (read_index(read_file(one)) for one in (base_path, target_path))
    _, packs = read_store(store)
    base, target = rebuild(base_index, packs), rebuild(target_index, packs)
    names = base_index.image_id.hex(), target_index.image_id.hex() + ".patch"
    data = read_file(store, "patches", *names)
    patch = patched(data, *(Side(index.image_id, image, parts_in(index, image)) for index, image in
                            ((base_index, base), (target_index, target))))  # fmt: skip
    need(patch.target_members or not members, "the patch sees through no file")


def parts_in(index, rebuilt):
    """The parts of an image that an index describes."""
    if index.head is None:
        return []
    return parts_of(rebuilt.units, [part.id for part in index.head.statement.parts], rebuilt.streams)


def patched(data, base, target):
    """Applies a patch from one side to the other."""
    start = parts_base(base.parts) if heading(data)[2] == BY_PARTS else image_base(base.rebuilt)
    skeleton, contents = target.rebuilt.streams
    patch, made_skeleton, expanded = apply(data, start, len(skeleton), [part.id for part in target.parts])
    need((patch.base, patch.target) == (base.id, target.id), "patch: of other images")
    need(filled(made_skeleton, 0, patch, start) == skeleton, "patch: the target's skeleton")
    coded, files = without_held(contents, target.rebuilt.assembled.files, patch, start)
    made_contents, made = contract(patch, expanded, files, coded)
    need(filled(made_contents, 1, patch, start) == contents, "patch: the target's contents")
    print(
        "patch to %s: good: %d bytes make %d, version %d, %d held parts, %d + %d members, %d of them made here, coding %d"
        % (target.id.hex()[:16], len(data), len(target.rebuilt.assembled.plain), patch.version, len(patch.held),
           len(patch.base_members), len(patch.target_members), made, patch.body[0])
    )  # fmt: skip
    return patch


def check_common(path, other, count):
    both = (read_index(read_file(one)).head.statement.parts for one in (path, other))
    ids, others = ({(part.id, part.name) for part in parts} for parts in both)
    names = {name for _, name in ids} & {name for _, name in others}
    need(len(ids & others) >= int(count), "%d parts in common" % len(ids & others))
    need(len(names) == len(ids & others), "parts of one name have other ids")
    print("%s, %s: good: %d parts in common" % (os.path.basename(path), os.path.basename(other), len(names)))


def check_body(body, base, target):
    made = decode(read_file(body), read_file(base), len(read_file(target)))
    need(made == read_file(target), "the body makes another target")
    print("%s: good: %d bytes" % (os.path.basename(body), len(made)))


def golden(folder):
    path = os.path.join(folder, "image.tar")
    index, store = os.path.join(folder, "image.rgx"), os.path.join(folder, "store")
    plain = check(index, store, path if os.path.exists(path) else None)
    for name, avg in (("default", 16 * KIB), ("small", KIB)):
        path = os.path.join(folder, "chunks-%s.txt" % name)
        if not os.path.exists(path):
            continue
        text = ""
        for stream, records in zip(("skeleton", "contents"), split(plain, Params(avg // 4, avg, avg * 4))):
            offset = 0
            for record in records:
                text += "%s %d %d %s\n" % (stream, offset, record.length, record.id.hex())
                offset += record.length
        need(text.encode() == read_file(path), path)
        print("%s: good" % os.path.basename(path))
    if os.path.exists(os.path.join(folder, "patch")):
        images = [scanned(read_file(folder, "patch", name)) for name in ("old.tar", "new.tar")]
        patched(read_file(folder, "patch", "old-to-new.patch"), *images)


def scanned(image):
    """An image without coded files, cut by version 1 of the walking rules with the default parameters."""
    names = [[segment_id(segment) for segment in segments(records)] for records in split(image, PARAMS)]
    steps = Walker(image).steps
    return Side(image_id(1, PARAMS, names), streams_of(image, steps), [])


def scanned_parts(image):
    """The same by version 3. The outermost files that are gzip members are coded."""
    plain, stretches = unfolded(image)
    wrapper, parts = units = split_in_units(plain, PARAMS, stretches)
    ids = [unit_id(part.kind, PARAMS, list(map(ids_of, part.records))) for part in parts]
    of_wrapper = unit_id(0, PARAMS, list(map(ids_of, wrapper.records)), [part.place for part in parts])
    rebuilt = streams_of(plain, Walker(plain, stretches, MIB).steps)
    return Side(parted_id(of_wrapper, ids), rebuilt, parts_of(units, ids, rebuilt.streams))


def streams_of(image, steps):
    contents = b"".join(image[step[1] : step[2]] for step in steps if step[0] == "file")
    streams = [b"".join(skeleton_of(image, steps)), contents]
    return Rebuilt(None, streams, assemble(*streams), None)


def unfolded(image):
    """The plain image, and its coded stretches."""
    plain, stretches, at = bytearray(), [], 0
    for entry in tarfile.open(fileobj=io.BytesIO(image)):
        start, end = entry.offset_data, entry.offset_data + entry.size
        if image[start : start + 2] == b"\x1f\x8b":
            plain += image[at:start]
            begin, at = len(plain), end
            plain += zlib.decompress(image[start:end], 31)
            stretches.append(Stretch(begin, len(plain), entry.size))
    return bytes(plain + image[at:]), stretches


def golden_patch(folder):
    """A patch between parts, with both archives."""
    images = [scanned_parts(read_file(folder, name)) for name in ("old.tar", "new.tar")]
    patch = patched(read_file(folder, "old-to-new.patch"), *images)
    need(patch.version == BY_PARTS and patch.held, "no patch between parts")


def check_kept(folder, store):
    print("cache: good: %d entries" % check_cache(folder, store))


# Functions, and the least and the most arguments that they take.
COMMANDS = {
    "--golden": (golden, 1, 1),
    "--golden-patch": (golden_patch, 1, 1),
    "--patch": (check_patch, 3, 3),
    "--body": (check_body, 3, 3),
    "--cache": (check_kept, 2, 2),
    "--index": (check_index, 1, 2),
    "--signed": (check_signed, 2, 16),
    "--common": (check_common, 3, 3),
}
FLAGS = "--coded", "--members", "--parts"


def main(arguments):
    flags = {name[2:]: True for name in FLAGS if name in arguments}
    arguments = [one for one in arguments if one not in FLAGS]
    command, least, most = check, 2, 3
    if arguments and arguments[0] in COMMANDS:
        command, least, most = COMMANDS[arguments.pop(0)]
    if not least <= len(arguments) <= most:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        command(*arguments, **flags)
    except REASONS as problem:
        print("format_check: %s: %s" % (arguments[0], problem), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
