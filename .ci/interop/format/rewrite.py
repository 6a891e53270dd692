"""Writes an index of version 2 again, with other bytes: docs/format/index-2.md, section 3."""

from .fields import Reader, digest, need, varint
from .head import read_head
from .index import read_index
from .signatures import entry_of, read_key

STATEMENT, BLOCKS, SIGNATURES = 1, 3, 128


def body_end(data):
    return 16 + int.from_bytes(data[12:16], "little")


def sections_of(data):
    """The payloads of the head's sections by their tags."""
    reader, out = Reader(data[16 : body_end(data)]), {}
    while reader.left():
        tag = reader.take(1)[0]
        out[tag] = reader.take(reader.varint())
    return out


def with_sections(data, sections):
    body = b"".join(bytes([tag]) + varint(len(payload)) + payload for tag, payload in sorted(sections.items()))
    head = data[:12] + len(body).to_bytes(4, "little") + body
    return head + digest(head) + data[body_end(data) + 32 :]


def signed(data, pairs):
    """With more signatures: bytes of files of public keys, and of signatures. What is there is kept."""
    sections = sections_of(data)
    kept = Reader(sections.get(SIGNATURES, varint(0)))
    entries = [kept.take(kept.varint()) for _ in range(kept.varint())]
    entries += [entry_of(read_key(key), signature) for key, signature in pairs]
    sections[SIGNATURES] = varint(len(entries)) + b"".join(varint(len(one)) + one for one in entries)
    return with_sections(data, sections)


def places(data):
    """Where some fields lie, by their names."""
    head = read_head(data)
    statement, starts = head.statement, {}
    first, start = statement.parts[0], data.index(head.signed)
    starts["counter"] = start + 28 + 1 + len(statement.channel.encode())
    for name, value in (
        ("image's hash", statement.digest),
        ("image's SHA-256", statement.sha256),
        ("image id", statement.image_id),
        ("wrapper's id", statement.wrapper.id),
        ("part's name", first.name),
        ("part's id", first.id),
    ):
        starts[name] = data.index(value, start)
    index = read_index(data)
    starts["pack's id"] = data.index(index.packs[0][0], head.blocks_at)
    segments = [name for share in index.shares for name, _ in share.segments]
    starts["segment's id"] = data.index(segments[-1], head.blocks_at)
    if index.codings:
        # The last piece of the last coded file: its number is the section's or the block's last byte.
        codings = head.codings or Reader(data[head.blocks_at :][: head.codings_block.size])
        starts["codings' last byte"] = data.index(codings.data) + len(codings.data) - 1
    return starts


def changed(data, at):
    """With another byte there, and all hashes but those of what the image is as they must be."""
    out = bytearray(data)
    out[at] ^= 1
    head, start = read_head(data), read_head(data).blocks_at
    sections = sections_of(bytes(out))
    for block in (head.codings_block, head.recipe):
        if block and at >= start:
            made = digest(bytes(out[start : start + block.size]))
            sections[BLOCKS] = sections[BLOCKS].replace(block.digest, made)
        start += block.size if block else 0
    made = with_sections(bytes(out), sections)
    need(len(made) == len(data) and made != data, "a change that changes more than one byte")
    return made
