"""RFC 1951: streams as blocks and tokens, read and written. A literal is its byte, a match (length, distance)."""

from collections import namedtuple

from .fields import need

STORED, FIXED, DYNAMIC = 0, 1, 2
CODE_LENGTH_ORDER = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
END, MAX_LITERALS, MAX_DISTANCES, WINDOW = 256, 286, 30, 32_768
LONGEST_OTHERWISE = 259  # 258 coded as 227 and 31.


def bases(extra, first, by):
    out, base = [], first
    for number in range(extra):
        bits = max(0, number // by - 1)
        out.append((base, bits))
        base += 1 << bits
    return out


LENGTHS = bases(28, 3, 4) + [(258, 0)]
DISTANCES = bases(30, 1, 2)
LENGTH_SYMBOL = {base + more: number for number, (base, bits) in enumerate(LENGTHS) for more in range(1 << bits)}
FIXED_LENGTHS = [8] * 144 + [9] * 112 + [7] * 24 + [8] * 8 + [5] * 30

# `steps`: (symbol, times); `own`: the lengths of the codes for code lengths, in the order in which they are coded.
Header = namedtuple("Header", "literals lengths steps own_coded own")
# `first`, `upto`: its tokens. `start`, `end`: its plain bytes. `padding`: the bits before a stored length.
Block = namedtuple("Block", "kind last header padding size start end")


def codes(lengths):
    """{symbol: (bits in the stream's order, length)}"""
    out, code = {}, 0
    for length in range(1, 16):
        for symbol, one in enumerate(lengths):
            if one == length:
                out[symbol] = int(format(code, "0%db" % length)[::-1], 2), length
                code += 1
        code <<= 1
    return out


def table(lengths):
    """For the next 15 bits of a stream the symbol and its length; None where there is no code."""
    out = [None] * (1 << 15)
    for symbol, (code, length) in codes(lengths).items():
        out[code :: 1 << length] = [(symbol, length)] * (1 << (15 - length))
    return out


def tables(header):
    return table(header.lengths[: header.literals]), table(header.lengths[header.literals :])


FIXED_TABLES = table(FIXED_LENGTHS[:288]), table(FIXED_LENGTHS[288:])


class BitReader:
    def __init__(self, data):
        self.data, self.at, self.held, self.bits = data, 0, 0, 0

    def fill(self):
        self.held |= int.from_bytes(self.data[self.at : self.at + 8], "little") << self.bits
        self.at += 8
        self.bits += 64

    def take(self, count):
        if self.bits < count:
            self.fill()
        value = self.held & (1 << count) - 1
        self.held >>= count
        self.bits -= count
        return value

    def symbol(self, of):
        if self.bits < 15:
            self.fill()
        found = of[self.held & 0x7FFF]
        need(found, "deflate: not a code")
        self.held >>= found[1]
        self.bits -= found[1]
        return found[0]

    def to_byte(self):
        return self.take(self.bits % 8)


def parse(data):
    """The blocks and tokens of a whole stream. Stored bytes are literals."""
    reader, blocks, tokens, place, last = BitReader(data), [], [], 0, False
    while not last:
        last, kind = bool(reader.take(1)), reader.take(2)
        need(kind != 3 and reader.at - reader.bits // 8 <= len(data), "deflate: not a stream")
        start, header, padding, size = place, None, 0, 0
        if kind == STORED:
            padding, size = reader.to_byte(), reader.take(16)
            need(reader.take(16) == size ^ 0xFFFF, "deflate: a stored length")
            tokens += [reader.take(8) for _ in range(size)]
            place += size
        else:
            header = read_header(reader) if kind == DYNAMIC else None
            place = read_tokens(reader, *(tables(header) if header else FIXED_TABLES), tokens, place)
        blocks.append(Block(kind, last, header, padding, size, start, place))
    return blocks, tokens


def read_tokens(reader, literals, distances, tokens, place):
    while True:
        symbol = reader.symbol(literals)
        if symbol < END:
            tokens.append(symbol)
            place += 1
        elif symbol == END:
            return place
        else:
            need(symbol < 286, "deflate: not a length")
            base, bits = LENGTHS[symbol - 257]
            length = base + reader.take(bits)
            number = reader.symbol(distances)
            need(number < 30, "deflate: not a distance")
            base, bits = DISTANCES[number]
            # 227 and 31 are 258 too.
            tokens.append((LONGEST_OTHERWISE if symbol == 284 and length == 258 else length, base + reader.take(bits)))
            place += length


def read_header(reader):
    literals, distances, own_coded = reader.take(5) + 257, reader.take(5) + 1, reader.take(4) + 4
    own = [reader.take(3) for _ in range(own_coded)] + [0] * (19 - own_coded)
    of = table(own_by_symbol(own))
    lengths, steps = [], []
    while len(lengths) < literals + distances:
        symbol, times = reader.symbol(of), 1
        if symbol > 15:
            times = reader.take((2, 3, 7)[symbol - 16]) + (3, 3, 11)[symbol - 16]
        steps.append((symbol, times))
        push_step(lengths, symbol, times)
    need(len(lengths) == literals + distances, "deflate: too many lengths")
    return Header(literals, lengths, steps, own_coded, own)


def push_step(lengths, symbol, times):
    need(symbol != 16 or lengths, "deflate: nothing to repeat")
    lengths += [lengths[-1] if symbol == 16 else symbol if symbol < 16 else 0] * times


def own_by_symbol(own):
    out = [0] * 19
    for symbol, length in zip(CODE_LENGTH_ORDER, own):
        out[symbol] = length
    return out


class Writer:
    """Writes a stream block by block."""

    def __init__(self):
        self.out, self.held, self.bits = bytearray(), 0, 0

    def put(self, value, count):
        self.held |= value << self.bits
        self.bits += count
        while self.bits >= 8:
            self.out.append(self.held & 255)
            self.held >>= 8
            self.bits -= 8

    def pad(self, padding):
        count = -self.bits % 8
        self.put(padding & (1 << count) - 1, count)

    def begin(self, kind, last, header=None, padding=0, size=0):
        self.put(last | kind << 1, 3)
        if kind == STORED:
            self.pad(padding)
            self.put(size | (size ^ 0xFFFF) << 16, 32)
            self.literals = {byte: (byte, 8) for byte in range(256)}
            return
        if header:
            self.header(header)
        lengths, literals = (header.lengths, header.literals) if header else (FIXED_LENGTHS, 288)
        self.literals, self.distances = codes(lengths[:literals]), codes(lengths[literals:])

    def header(self, header):
        self.put(header.literals - 257, 5)
        self.put(len(header.lengths) - header.literals - 1, 5)
        self.put(header.own_coded - 4, 4)
        for length in header.own[: header.own_coded]:
            self.put(length, 3)
        own = codes(own_by_symbol(header.own))
        for symbol, times in header.steps:
            self.code(own, symbol)
            if symbol > 15:
                self.put(times - (3, 3, 11)[symbol - 16], (2, 3, 7)[symbol - 16])

    def code(self, of, symbol):
        need(symbol in of, "deflate: a symbol without a code")
        self.put(*of[symbol])

    def token(self, token):
        if isinstance(token, int):
            return self.code(self.literals, token)
        length, distance = token
        for of, symbol, more in symbols_of(length, distance):
            self.code(self.distances if of else self.literals, symbol)
            self.put(*more)

    def end_of_block(self):
        self.code(self.literals, END)


def symbols_of(length, distance):
    """(0, symbol, extra bits) of a length, and (1, ...) of a distance."""
    if length == LONGEST_OTHERWISE:
        number, more = 27, (31, 5)
    else:
        number = 28 if length == 258 else LENGTH_SYMBOL[length]
        more = length - LENGTHS[number][0], LENGTHS[number][1]
    yield 0, 257 + number, more
    number = next(number for number in range(29, -1, -1) if DISTANCES[number][0] <= distance)
    yield 1, number, (distance - DISTANCES[number][0], DISTANCES[number][1])


def plain_bytes(token):
    return 1 if isinstance(token, int) else min(token[0], 258)


def count_symbols(tokens):
    """How often literals and lengths, and distances, occur in a block."""
    literals, distances = [0] * MAX_LITERALS, [0] * MAX_DISTANCES
    literals[END] = 1
    for token in tokens:
        if isinstance(token, int):
            literals[token] += 1
        else:
            (_, length, _), (_, distance, _) = symbols_of(*token)
            literals[length] += 1
            distances[distance] += 1
    return literals, distances


def length_steps(parts):
    """Codes lengths as runs, greedily."""
    steps = []
    for lengths in parts:
        at = 0
        while at < len(lengths):
            length, left = lengths[at], 1
            while at + left < len(lengths) and lengths[at + left] == length:
                left += 1
            at += left
            if length:
                steps.append((length, 1))
                left -= 1
            while left >= (3 if length else 11):
                times = min(left, 6 if length else 138)
                steps.append((16 if length else 18, times))
                left -= times
            if left >= 3:
                steps.append((17, left))
                left = 0
            steps += [(length, 1)] * left
    return steps
