#!/usr/bin/env python3
"""A second implementation of regrow's formats, written from FORMAT.md and docs/format/ alone; it checks the first one.

    format_check.py INDEX STORE_DIR [IMAGE [--coded]]
    format_check.py --patch BASE_INDEX TARGET_INDEX STORE_DIR [--members]
    format_check.py --body BODY BASE TARGET
    format_check.py --cache CACHE_DIR STORE_DIR
    format_check.py --golden DIR

Decodes the index, verifies every pack of the store, rebuilds the image, splits it again with the index's
parameters, and compares: digest, records, segments, image id, and the bytes of IMAGE. `--coded`: there must be coded
files.
`--patch` applies the store's patch between two images, and compares the streams that it makes with the target's.
`--members`: it must see through compressed files. `--body` does so for a coded body alone.
`--cache` compares what a cache keeps with the store.
`--golden` checks DIR/image.rgx, DIR/store, and what there is of DIR/image.tar, DIR/patch, and DIR/chunks-*.txt, the
cuts.
Prints one line; exits with 1 on the first mismatch. Packages: blake3, xxhash, zstandard.

Not made again are streams of encoders other than zlib (format/encoders.py says which), and those of a patch's
members that a foreign compressor made (format/predicted.py). They are taken from the image, which must be given then,
and are checked to hold the plain bytes; all that describes them is parsed.
"""

import lzma
import os
import struct
import sys
import zlib

import zstandard

from format.body import decode
from format.chunks import Params, image_id, segment_id, segments, split
from format.fields import KIB, Mismatch, need
from format.index import read_index
from format.patch import apply, contract
from format.store import Rebuilt, check_cache, image_of, read_file, read_store, rebuild
from format.walk import Walker, assemble, skeleton_of

REASONS = (Mismatch, OSError, ValueError, KeyError, struct.error, zlib.error, lzma.LZMAError, zstandard.ZstdError)


def check(index_path, store, image_path=None, coded=False):
    index = read_index(read_file(index_path))
    params, packs = read_store(store)
    need(params == index.params, "regrow.json and the index have other parameters")
    rebuilt = rebuild(index, packs)
    known = read_file(image_path) if image_path else None
    image = image_of(index, rebuilt, known)
    need(known in (None, image.bytes), "%s is not the image" % image_path)
    need(index.codings or not coded, "there are no coded files")
    again = split(rebuilt.assembled.plain, index.params, image.stretches)
    for name, mine, theirs in zip(("skeleton", "contents"), again, rebuilt.records):
        for number, (one, other) in enumerate(zip(mine, theirs)):
            need(one == other, "%s chunk %d: cut here %s, stored %s" % (name, number, one, other))
        need(len(mine) == len(theirs), "%s: %d chunks here, %d stored" % (name, len(mine), len(theirs)))
    names = [[segment_id(segment) for segment in segments(stream)] for stream in again]
    need(image_id(index.walk, index.params, names) == index.image_id, "the image id")
    print(
        "%s: good: %d bytes, %d coded files, %d + %d chunks, %d + %d segments, %d of %d packs, image id %s%s"
        % (os.path.basename(index_path), len(image.bytes), len(index.codings), *map(len, rebuilt.records),
           *map(len, names), len(index.packs), len(packs), index.image_id.hex()[:16],
           "".join("; not made here: " + name for name in sorted(image.taken)))
    )  # fmt: skip
    return rebuilt.assembled.plain


def check_patch(base_path, target_path, store, members=False):
    base_index, target_index = (read_index(read_file(one)) for one in (base_path, target_path))
    _, packs = read_store(store)
    base, target = rebuild(base_index, packs), rebuild(target_index, packs)
    names = base_index.image_id.hex(), target_index.image_id.hex() + ".patch"
    patch = patched(read_file(store, "patches", *names), (base_index.image_id, base), (target_index.image_id, target))
    need(patch.target_members or not members, "the patch sees through no file")


def patched(data, base, target):
    """Applies a patch. `base` and `target` are ids and what was rebuilt of images."""
    target_id, target = target
    patch, skeleton, expanded = apply(data, base[1], len(target.streams[0]))
    need((patch.base, patch.target) == (base[0], target_id), "patch: of other images")
    need(skeleton == target.streams[0], "patch: the target's skeleton")
    contents, made = contract(patch, expanded, target.assembled.files, target.streams[1])
    need(contents == target.streams[1], "patch: the target's contents")
    print(
        "patch to %s: good: %d bytes make %d, %d + %d members, %d of them made here, coding %d"
        % (target_id.hex()[:16], len(data), len(target.assembled.plain), len(patch.base_members),
           len(patch.target_members), made, patch.body[0])
    )  # fmt: skip
    return patch


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
    """The id and streams of an image without coded files, with the default parameters."""
    params = Params(4 * KIB, 16 * KIB, 64 * KIB)
    names = [[segment_id(segment) for segment in segments(records)] for records in split(image, params)]
    parts = Walker(image).parts
    contents = b"".join(image[part[1] : part[2]] for part in parts if part[0] == "file")
    streams = [skeleton_of(image, parts), contents]
    return image_id(1, params, names), Rebuilt(None, streams, assemble(*streams))


def check_kept(folder, store):
    print("cache: good: %d entries" % check_cache(folder, store))


# Functions, and the numbers of arguments that they take.
COMMANDS = {"--golden": (golden, 1), "--patch": (check_patch, 3), "--body": (check_body, 3), "--cache": (check_kept, 2)}


def main(arguments):
    flags = {name[2:]: True for name in ("--coded", "--members") if name in arguments}
    arguments = [one for one in arguments if one not in ("--coded", "--members")]
    command, wanted = COMMANDS.get(arguments[0] if arguments else "", (check, 0))
    arguments = arguments[1:] if wanted else arguments
    if len(arguments) != wanted if wanted else not 2 <= len(arguments) <= 3:
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
