"""Section 3.6: literals, and where bytes were seen before."""

from array import array

from ..fields import M64
from .model import Field, bucket, hashed, read_byte

HISTORY = 1 << 22
WORD = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")


def contexts_of(tail):
    word = 0
    for at in range(8):
        byte = tail >> (8 * at) & 255
        if byte not in WORD:
            break
        word = hashed(word, byte)
    return (hashed(1, tail & 0xFF), hashed(2, tail & 0xFFFF), hashed(3, tail & 0xFFFFFF), hashed(6, word), hashed(8, 0))


class Literals:
    def __init__(self, model):
        self.field = Field(model, 5, 1, 768)
        self.history, self.count = bytearray(HISTORY), 0
        self.table = array("Q", [0]) * (1 << 18)
        self.place = self.length = 0

    def remembered(self, place):
        return self.history[place % HISTORY]

    def read(self, tail):
        """The next literal byte."""
        contexts = contexts_of(tail)
        foretold = self.remembered(self.place) | 256 if self.length else 0

        def bit(node1, salt, node):
            more = kind = 0
            shift = 9 - node1.bit_length()
            if foretold and foretold >> shift == node1:
                more = min(min(self.length, 32) * 40 + 100, 1500)
                kind = 2 if self.length > 15 else 1
                if not foretold >> (shift - 1) & 1:
                    more = -more
            return self.field.bit([bucket(one, salt) for one in contexts], node, [more], kind * 256 + node1)

        return read_byte(bit)

    def remember(self, byte):
        self.history[self.count % HISTORY] = byte
        self.count += 1

    def follow(self, byte, tail):
        """`byte` was remembered, and is the tail's last."""
        if self.length and self.remembered(self.place) == byte:
            self.length, self.place = min(self.length + 1, 64), self.place + 1
        else:
            self.length = 0
        slot = ((tail & (1 << 40) - 1) * 0x9E3779B97F4A7C15 & M64) >> 46
        if not self.length and self.table[slot]:
            self.place, self.length = self.table[slot], 0
            while self.length < 32 and self.agrees(self.length + 1):
                self.length += 1
            if self.length < 5:
                self.length = 0
        self.table[slot] = self.count

    def agrees(self, back):
        return self.remembered(self.place - back) == self.remembered(self.count - back)

    def copied(self, copy, tail):
        """A copy ended."""
        self.length = 0
        for byte in copy[-8:]:
            self.remember(byte)
        self.follow(copy[-1], tail)
