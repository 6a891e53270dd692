"""docs/format/corrections.md, section 2: corrections of the stream that a known encoder makes."""

import zlib
from collections import namedtuple

from .deflate import DYNAMIC, FIXED, STORED, Writer, count_symbols, parse, plain_bytes
from .fields import MIB, Reader, need
from .headers import read_header_like
from .listing import Listing

Channels = namedtuple("Channels", "blocks headers runs kinds lengths distances")

SAME_PLACE, SAME_TOKENS, TOKENS, SAME = 0, 1, 2, "same"
KINDS = (STORED, FIXED, DYNAMIC, DYNAMIC)
SAME_HEADER, MAX_BUFFERED = 2, 1 << 18


class Channel:
    """Numbers, taken in their order."""

    def __init__(self, data):
        self.reader = Reader(data)

    def take(self, most=(1 << 64) - 1):
        number = self.reader.varint()
        need(number <= most, "corrections: a number is too large")
        return number


def check_corrections(data):
    """The bits behind the end, and the channels."""
    need(len(data) >= 3 and data[0] == 1 and data[1] < 2, "corrections: version")
    form = data[2:]
    if data[1]:
        inflate = zlib.decompressobj(-15)
        form = inflate.decompress(form, 8 * MIB + 65)
        need(inflate.eof and not inflate.unused_data and len(form) <= 8 * MIB + 64, "corrections: not a deflate stream")
    reader = Reader(form)
    padding = reader.take(1)[0]
    need(padding < 128, "corrections: more than seven bits")
    sizes = [reader.varint() for _ in Channels._fields]
    channels = [reader.take(size) for size in sizes]
    reader.end("corrections")
    for channel in map(Reader, channels):
        while channel.left():
            channel.varint()
    return padding, Channels(*map(Channel, channels))


def corrected(made, data, plain):
    """The stream that an encoder nearly made."""
    padding, channels = check_corrections(data)
    return Patcher(made, channels, plain).stream(padding)


class Patcher:
    """Writes the stream that is described. Predicted blocks from `first` on were not passed."""

    def __init__(self, made, channels, plain):
        self.blocks, tokens = parse(made)
        self.first, self.passed_header, self.last_header = 0, None, None
        self.channels, self.plain = channels, plain
        self.listing = Listing(tokens, channels, plain)
        self.writer, self.place, self.last_tokens = Writer(), 0, 0

    def stream(self, padding):
        blocks, last = self.channels.blocks, False
        while not last:
            for left in range(blocks.take(), 0, -1):
                self.settle()
                block = self.predicted()
                need(block and block.start == self.place, "corrections: no block that is the same")
                last = self.block(block.kind, block.last, SAME, block.header, block.padding, block.size)
                self.pass_block()
                need(not last or left == 1, "corrections: blocks behind the last")
            if last:
                break
            self.settle()
            fields = blocks.take(1 + 7 + (TOKENS << 3))
            if fields:
                last = self.other_block(fields - 1)
            else:
                need(self.predicted(), "corrections: no block to pass")
                self.pass_block()
        self.writer.pad(padding)
        need(self.place == len(self.plain) and self.listing.is_at_end(), "corrections: not all plain bytes")
        for channel in self.channels:
            channel.reader.end("corrections")
        return bytes(self.writer.out)

    def settle(self):
        while self.predicted() and self.predicted().start < self.place and self.predicted().end <= self.place:
            self.pass_block()

    def predicted(self):
        return self.blocks[self.first] if self.first < len(self.blocks) else None

    def pass_block(self):
        self.passed_header = self.predicted().header or self.passed_header
        self.first += 1

    def predicted_header(self):
        block = self.predicted()
        return block.header if block and block.header else self.passed_header

    def other_block(self, fields):
        """A block that is not as predicted. Returns whether it is the last."""
        last, kind, end = bool(fields & 1), fields >> 1 & 3, fields >> 3
        blocks = self.channels.blocks
        if kind == STORED:
            size = blocks.take(0xFFFF)
            return self.block(STORED, last, SAME_PLACE, None, blocks.take(127) if end else 0, size)
        if end != SAME_PLACE:
            end = "tokens", self.last_tokens if end == SAME_TOKENS else blocks.take()
        if kind == SAME_HEADER:
            need(self.predicted_header(), "corrections: no header")
            return self.block(DYNAMIC, last, end, self.predicted_header())
        return self.block(KINDS[kind], last, end, None)

    def block(self, kind, last, end, header, padding=0, size=0):
        if kind == STORED:
            need(size <= len(self.plain) - self.place, "corrections: a stored block")
            self.writer.begin(STORED, last, None, padding, size)
            self.writer.out += self.plain[self.place : self.place + size]
            self.place += size
            return last
        tokens, head = [], None
        if kind == DYNAMIC and not header:
            head = self.channels.headers.take(47)
            if head & 3 < 2:
                header = self.other_header(head, tokens)
        while not self.is_at_end(end, len(tokens)):
            tokens.append(self.listing.next(self.place))
            self.place += plain_bytes(tokens[-1])
        if kind == DYNAMIC and not header:
            need(len(tokens) <= MAX_BUFFERED, "corrections: too many tokens")
            header = self.other_header(head, tokens)
        self.write(kind, last, header, tokens)
        return last

    def other_header(self, head, tokens):
        likes = self.predicted_header(), self.last_header
        return read_header_like(head, self.channels.headers, likes, count_symbols(tokens))

    def is_at_end(self, end, tokens):
        if isinstance(end, tuple):
            return tokens == end[1]
        block = self.predicted()
        need(block and self.place <= block.end, "corrections: a block ends where none does")
        return self.place == block.end

    def write(self, kind, last, header, tokens):
        self.writer.begin(kind, last, header)
        for token in tokens:
            self.writer.token(token)
        self.writer.end_of_block()
        self.last_tokens, self.last_header = len(tokens), header or self.last_header
