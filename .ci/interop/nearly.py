#!/usr/bin/env python3
"""Writes as gzip what zlib nearly makes of standard input: behind the first blocks, some have the headers that Go would
write, some have fixed codes, are stored, end elsewhere or code tokens in another way."""

import struct
import sys
import zlib

from format.deflate import CODE_LENGTH_ORDER, DYNAMIC, FIXED, STORED, Header, Writer
from format.deflate import count_symbols, length_steps, parse, plain_bytes
from format.headers import cut
from format.predicted import zlib_header
from format.trees import merged_lengths

AS_THEY_ARE = 40
WAYS = ("zlib", "go", "fixed", "stored", "split", "literals", "zlib", "shorter", "go", "long")


def go_header(tokens):
    literals, distances = (cut(merged_lengths(counts, 15)) for counts in count_symbols(tokens))
    lengths = literals + (distances or [1])
    steps = length_steps([lengths])
    counts = [0] * 19
    for symbol, _ in steps:
        counts[symbol] += 1
    own = [merged_lengths(counts, 7)[symbol] for symbol in CODE_LENGTH_ORDER]
    return Header(len(literals), lengths, steps, max(4, len(cut(list(own)))), own)


def changed(tokens, way, plain, place):
    """Tokens that make the same bytes."""
    for number, token in enumerate(tokens):
        if isinstance(token, int) or number % 50 != 7:
            yield token
        elif way == "literals" or token[0] < 5:
            yield from plain[place : place + plain_bytes(token)]
        elif way == "shorter":
            yield plain[place]
            yield min(token[0], 258) - 1, token[1]
        else:
            yield token if token[0] < 258 else (259, token[1])
        place += plain_bytes(token)


def main():
    plain = sys.stdin.buffer.read()
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    blocks, tokens = parse(deflate.compress(plain) + deflate.flush())
    writer, at = Writer(), 0
    for number, block in enumerate(blocks):
        place, of_block = block.start, []
        while place < block.end:
            of_block.append(tokens[at])
            place += plain_bytes(tokens[at])
            at += 1
        way = WAYS[number % len(WAYS)] if number >= AS_THEY_ARE else "zlib"
        if way == "stored":
            for start in range(block.start, block.end, 60_000):
                part = plain[start : min(start + 60_000, block.end)]
                writer.begin(STORED, False, None, 0, len(part))
                writer.out += part
            if block.last:
                writer.begin(FIXED, True)
                writer.end_of_block()
            continue
        if way in ("literals", "shorter", "long"):
            of_block = list(changed(of_block, way, plain, block.start))
        parts = [of_block[:5000], of_block[5000:]] if way == "split" else [of_block]
        for part in parts:
            kind, header = DYNAMIC, go_header(part) if way == "go" else zlib_header(part)
            if way == "fixed":
                kind, header = FIXED, None
            writer.begin(kind, block.last and part is parts[-1], header)
            for token in part:
                writer.token(token)
            writer.end_of_block()
    writer.pad(0)
    trailer = struct.pack("<2I", zlib.crc32(plain), len(plain))
    sys.stdout.buffer.write(b"\x1f\x8b\x08\0\0\0\0\0\0\x03" + writer.out + trailer)


main()
