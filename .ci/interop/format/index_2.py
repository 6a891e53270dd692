"""docs/format/index-2.md, sections 6 and 7: the blocks behind an index's head, and an index as a whole."""

from .codings import read_pieces
from .fields import Reader, digest, need
from .head import read_head
from .lists import Index, check_chunks, check_fresh, read_packs, read_runs, read_sections, read_share
from .parts import PART_WALK, unit_id
from .walk import FILE, TAR


def read_index_2(data):
    head = read_head(data)
    statement, behind = head.statement, Reader(data[head.blocks_at :])
    codings = head.codings
    if head.codings_block:
        codings = read_block(behind, head.codings_block, "codings")
    codings = read_pieces(codings) if codings else []
    recipe = read_sections(read_block(behind, head.recipe, "recipe").data, range(1, 5), range(1, 5), "recipe")
    behind.end("index")
    shares, places = read_units(recipe[1], statement)
    packs = read_packs(recipe[2])
    chunk_packs = read_runs(recipe[3], len(packs), sum(share.chunks for share in shares))
    segment_packs = read_runs(recipe[4], len(packs), sum(len(share.segments) for share in shares))
    for tag in range(1, 5):
        recipe[tag].end("recipe: section %d" % tag)
    if 128 in recipe:
        check_fresh(recipe[128], len(packs))
    image = statement.size, statement.digest, statement.image_id, statement.plain
    lists = shares, packs, chunk_packs, segment_packs
    return Index(statement.walk, statement.params, *image, *lists, codings, places, head)


def read_block(reader, block, what):
    data = reader.take(block.size)
    need(digest(data) == block.digest, "the %s block is not what the head says" % what)
    return Reader(data)


def read_units(reader, statement):
    """The shares of both streams, the skeleton's of each unit first, and the parts' places."""
    units, places, shares = [statement.wrapper, *statement.parts], [], []
    for number, unit in enumerate(units):
        shares.append([read_share(reader, size) for size in (unit.skeleton, unit.contents)])
        if number:
            places.append((reader.varint(), reader.varint()))
    check_places(statement.parts, places, [share.chunks for share in shares[0]])
    for number, (unit, of_unit) in enumerate(zip(units, shares)):
        ids = [[one for one, _ in share.segments] for share in of_unit]
        hashed = ((), PART_WALK) if number else (places, statement.walk)
        stated = unit_id(unit.kind, statement.params, ids, *hashed)
        need(stated == unit.id, "recipe: the id of unit %d" % number)
        need(unit.kind != FILE or not of_unit[0].chunks, "recipe: a file with a skeleton")
        if unit.kind == TAR:
            chunks = [share.chunks for share in of_unit]
            check_chunks(unit.plain, statement.params, (unit.skeleton, unit.contents), chunks)
    return [of_unit[stream] for stream in (0, 1) for of_unit in shares], places


def check_places(parts, places, wrapper):
    last = (0, 0)
    for part, place in zip(parts, places):
        skeleton, contents = place
        need(contents >= last[1] and contents <= wrapper[1], "recipe: a place in the contents")
        if part.kind == FILE:
            need(skeleton == 0, "recipe: a file's place in the skeleton")
            skeleton = last[0]
        need(skeleton >= last[0] and skeleton <= wrapper[0], "recipe: a place in the skeleton")
        last = skeleton, contents
