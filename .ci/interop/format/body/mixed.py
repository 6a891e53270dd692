"""Section 3: ops bit by bit."""

from ..fields import M64, need
from .copies import Copies
from .literals import Literals
from .model import Model, Number, hashed, magnitude
from .places import DISTANCE, Places, signed


class Target(bytearray):
    """What was made, and its last eight bytes as a number."""

    def tail(self):
        return int.from_bytes(self[-8:], "big") & M64


class Mixed:
    def __init__(self, body, base, length):
        self.base, self.length, self.target = base, length, Target()
        self.model = Model(body)
        self.literals = Literals(self.model)
        self.copies = Copies(self.model, base, self.target)
        self.places = Places(len(base))
        self.literal_length, self.way, self.distance, self.copy_length = (Number(self.model) for _ in range(4))

    def decode(self):
        literal = copy = way = 0
        while True:
            copied = magnitude(copy)
            literal = self.literal_length.read(hashed(21, copied), hashed(22, min(literal, 20)), hashed(23, 0))
            need(literal <= self.length - len(self.target), "body: an op beyond the target")
            self.read_literals(literal)
            if len(self.target) == self.length:
                break
            contexts = hashed(31, way | min(literal, 8) << 4), hashed(32, copied), hashed(33, min(literal, 64))
            way = self.way.read(*contexts)
            distance = 0
            if way == DISTANCE:
                distance = signed(self.distance.read(hashed(34, copied), hashed(35, min(literal, 8)), hashed(36, 0)))
            start = self.places.of(way, distance, len(self.target))
            copy = 1 + self.copy_length.read(
                hashed(41, copied), hashed(42, way | magnitude(literal) << 4), hashed(43, min(literal, 16))
            )
            need(copy <= self.length - len(self.target), "body: an op beyond the target")
            self.copy(start, copy)
            if len(self.target) == self.length:
                break
        self.model.bits.end()
        return bytes(self.target)

    def read_literals(self, count):
        for _ in range(count):
            byte = self.literals.read(self.target.tail())
            self.target.append(byte)
            self.literals.remember(byte)
            self.literals.follow(byte, self.target.tail())

    def copy(self, start, length):
        self.places.copied(start, length, len(self.target))
        self.literals.length = 0
        self.copies.copy(start, length)
        self.literals.copied(self.target[-min(8, length) :], self.target.tail())
