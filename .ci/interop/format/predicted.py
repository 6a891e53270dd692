"""docs/format/corrections.md, section 3: streams of a patch's members, rebuilder 1. What preflate-rs predicts of a
known compressor is what zlib makes; that of a foreign one is not made here. Nor are blocks with codes where zlib
stores one, which hides its tokens."""

import zlib

from .deflate import CODE_LENGTH_ORDER, DYNAMIC, FIXED, STORED, Header, Writer
from .deflate import count_symbols, length_steps, parse, plain_bytes
from .fields import Reader, need
from .headers import cut
from .trees import zlib_lengths

FOREIGN, TOLD, AT_END = 0x3F, 0x40, 0x80
BUFFERS = {8: 16_383, 9: 32_767}


def rebuild_stream(corrections, plain):
    """The deflate stream, or None if it is not made here."""
    need(corrections, "corrections of a member: none")
    code, reader = corrections[0] & 0x3F, Reader(corrections[1:])
    if code == FOREIGN:
        need(corrections[0] == FOREIGN, "corrections of a member: bits of a foreign compressor")
        reader.take(reader.take(1)[0])
        return None
    need(code < 36, "corrections of a member: an unknown compressor")
    at_end = reader.varint() if corrections[0] & AT_END else 0
    told = []
    while reader.left():
        told.append(reader.varint())
    need(corrections[0] >= TOLD or not told, "corrections of a member: bytes behind the end")
    if "ng" in zlib.ZLIB_RUNTIME_VERSION:
        return None
    level, memory, fixed = code % 9 + 1, 8 + code // 9 % 2, code // 18
    deflate = zlib.compressobj(level, zlib.DEFLATED, -15, memory)
    made = parse(deflate.compress(plain) + deflate.flush())
    kinds = (FIXED, DYNAMIC, STORED) if fixed else (DYNAMIC, FIXED, STORED)
    try:
        return Blocks(plain, made, BUFFERS[memory], kinds).write(told, at_end)
    except Hidden:
        return None


class Hidden(Exception):
    """Tokens that zlib's stream does not show."""


class Blocks:
    """Divides predicted tokens into blocks."""

    def __init__(self, plain, made, buffer, kinds):
        self.plain, self.buffer, self.kinds = plain, buffer, kinds
        blocks, self.tokens = made
        self.hidden = [(block.start, block.end) for block in blocks if block.kind == STORED]
        self.at = self.place = 0
        self.writer = Writer()

    def is_at_end(self):
        return self.place == len(self.plain)

    def write(self, told, at_end):
        """`told`: a number for each block, as far as they are listed."""
        listed, last = list(told), False
        while not last:
            size, kind = divmod(listed.pop(0) if listed else 0, 3)
            kind = self.kinds[kind]
            began_at_end = self.is_at_end() and (self.plain or at_end)
            need(not began_at_end or at_end, "corrections of a member: a block behind the end")
            at_end -= bool(began_at_end)
            tokens = self.take(kind, size)
            last = self.is_at_end() and not at_end
            self.block(kind, last, tokens)
        need(not listed, "corrections of a member: blocks behind the end")
        self.writer.pad(0)
        return bytes(self.writer.out)

    def take(self, kind, size):
        """The next block's tokens."""
        if kind == STORED:
            need(size <= 65_535, "corrections of a member: a stored block")
            upto, start = self.place + 65_535 - size, self.at
            while self.place < upto and self.at < len(self.tokens):
                self.place += plain_bytes(self.tokens[self.at])
                self.at += 1
            need(self.place == upto, "corrections of a member: a stored block within a token")
            return self.tokens[start : self.at]
        count = size * 4096 if 0 < size < 9 else size - 9 if size else min(self.buffer, len(self.tokens) - self.at)
        tokens = self.tokens[self.at : self.at + count]
        need(len(tokens) == count, "corrections of a member: tokens behind the end")
        start = self.place
        self.at += count
        self.place += sum(map(plain_bytes, tokens))
        if any(begin < self.place and start < end for begin, end in self.hidden):
            raise Hidden
        return tokens

    def block(self, kind, last, tokens):
        writer = self.writer
        if kind == STORED:
            size = sum(map(plain_bytes, tokens))
            writer.begin(STORED, last, None, 0, size)
            writer.out += self.plain[self.place - size : self.place]
            return
        writer.begin(kind, last, zlib_header(tokens) if kind == DYNAMIC else None)
        for token in tokens:
            writer.token(token)
        writer.end_of_block()


def zlib_header(tokens):
    """The header that zlib makes for a block's tokens."""
    literals, distances = (cut(zlib_lengths(counts, 15)) for counts in count_symbols(tokens))
    steps = length_steps((literals, distances))
    counts = [0] * 19
    for symbol, _ in steps:
        counts[symbol] += 1
    own = zlib_lengths(counts, 7)
    own = [own[symbol] for symbol in CODE_LENGTH_ORDER]
    return Header(len(literals), literals + distances, steps, max(4, len(cut(list(own)))), own)
