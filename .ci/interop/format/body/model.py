"""Sections 3.1 to 3.5: bits with probabilities, mixed from many contexts."""

from array import array
from math import isqrt

from ..fields import M64, need

M32 = (1 << 32) - 1
MAX_BITS = 62


def power_table():
    out = [1 << 48]
    for _ in range(2047):
        out.append(out[-1] * 280377587853037 >> 48)
    return out


def squash_table():
    up = [min(65535, (1 << 64) // ((1 << 48) + power)) for power in power_table()]
    return [65536 - up[x] for x in range(2047, 0, -1)] + up


SQUASH = squash_table()


def squash(x):
    return SQUASH[max(-2047, min(2047, x)) + 2047]


def stretch_table():
    out, x = [], -2047
    for q in range(4096):
        while x < 2047 and squash(x) < 16 * q + 8:
            x += 1
        out.append(x)
    return out


STRETCH = stretch_table()
RATES = [655360 // (10 * n + 16) for n in range(16)]


def hashed(a, b):
    mixed = (a * 0xFF51AFD7ED558CCD ^ b) * 0xC4CEB9FE1A85EC53 & M64
    return (mixed << 29 | mixed >> 35) & M64


def bucket(context, salt):
    return ((context + salt * 0x9E3779B97F4A7C15) * 0xD6E8FEB86659FD93 & M64) >> 48


def magnitude(number):
    return number.bit_length()


class Bits:
    """Section 3.1: the arithmetic coder, reading."""

    def __init__(self, data):
        self.data, self.at = data, 4
        self.low, self.high = 0, M32
        self.code = int.from_bytes(data[:4].ljust(4, b"\0"), "big")

    def bit(self, p1):
        middle = self.low + ((self.high - self.low) * p1 >> 16)
        bit = self.code <= middle
        if bit:
            self.high = middle
        else:
            self.low = middle + 1
        while (self.low ^ self.high) >> 24 == 0:
            self.low = self.low << 8 & M32
            self.high = self.high << 8 & M32 | 255
            self.code = self.code << 8 & M32 | (self.data[self.at] if self.at < len(self.data) else 0)
            self.at += 1
            need(self.at - len(self.data) < 6, "body: cut short")
        return int(bit)

    def end(self):
        need(self.at >= len(self.data), "body: bytes behind the end")


class Model:
    """The coder, and the slots that all fields share."""

    def __init__(self, data):
        self.bits = Bits(data)
        self.probabilities = array("i", [1 << 21]) * (65536 * 16)
        self.counts = bytearray(65536 * 16)


class Field:
    """Section 3.4: contexts, further inputs, and weights by selector."""

    def __init__(self, model, contexts, more, selectors, limit=3):
        self.model, self.limit = model, limit
        inputs = 2 * contexts + more + 1
        weight = 163840 // max(1, isqrt(10 * inputs)) // 3
        self.weights = [[weight] * inputs for _ in range(selectors)]

    def bit(self, buckets, node, more, selector):
        model = self.model
        slots = [one * 16 + node for one in buckets]
        chances = [model.probabilities[slot] >> 6 for slot in slots]
        inputs = [STRETCH[chance >> 4] for chance in chances]
        inputs += [(chance - 32768) * min(model.counts[slot], 8) * 256 >> 16 for chance, slot in zip(chances, slots)]
        inputs += [*more, 256]
        weights = self.weights[selector]
        p1 = squash(sum(weight * one for weight, one in zip(weights, inputs)) >> 14)
        p1 = max(24, min(65512, p1))
        bit = model.bits.bit(p1)
        error = (65535 - p1) >> 1 if bit else -(p1 >> 1)
        steps = [((4 * one * error >> 16) + 2) >> 2 for one in inputs]
        self.weights[selector] = [max(-32768, min(32767, sum(pair))) for pair in zip(weights, steps)]
        self.learn(slots, bit)
        return bit

    def learn(self, slots, bit):
        probabilities, counts, goal = self.model.probabilities, self.model.counts, (1 << 22) - 1 if bit else 0
        for slot in slots:
            step = ((goal - probabilities[slot]) >> 7) * RATES[counts[slot]] >> 9
            # A step rounds down, and may go below 0: then it wraps.
            probabilities[slot] = probabilities[slot] + step & (1 << 22) - 1
            if counts[slot] < self.limit:
                counts[slot] += 1


class Number:
    """Section 3.5: a number of up to 62 bits."""

    def __init__(self, model):
        self.field = Field(model, 3, 0, 48)

    def read(self, *contexts):
        bits = 0
        while bits < MAX_BITS:
            if not self.field.bit([bucket(one, bits // 16) for one in contexts], bits % 16, [], min(bits, 31)):
                break
            bits += 1
        value = 1
        for place in range(bits - 1, -1, -1):
            depth = bits - 1 - place
            if depth < 3:
                salt, node = 64 + bits, value
            elif depth < 6:
                salt, node = 1024 + 8 * bits + (value & 7), 1 << (depth - 3) | (value >> 3) & (1 << (depth - 3)) - 1
            else:
                salt, node = 128 + bits, place % 16
            buckets = [bucket(one, salt) for one in contexts]
            value = value << 1 | self.field.bit(buckets, node, [], 32 + min(place, 15))
        return value - 1


def read_byte(bit):
    """Section 3.6: eight bits, the highest first. `bit` is told node1, its salt and its node."""
    node1 = 1
    for number in range(8):
        if number < 4:
            salt, node = 0, node1
        else:
            salt, j = node1 >> (number - 4), number - 4
            node = 1 << j | node1 & (1 << j) - 1
        node1 = node1 << 1 | bit(node1, salt, node)
    return node1 & 255
