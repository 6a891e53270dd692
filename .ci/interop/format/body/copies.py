"""Section 3.7: copies, some of whose bytes are changed."""

from ..fields import need
from .checksums import Checksums
from .model import M32, STRETCH, Field, Number, bucket, hashed, magnitude, read_byte

QUIET = 24  # Where this many bytes stayed, the next change is told by a run.


class Memory:
    """What base bytes became, by the bytes around them."""

    def __init__(self, base):
        self.base, self.entries = base, [None] * (1 << 18)

    def slot(self, a):
        around = self.base[a - 1] if a else 0
        for shift, at in ((8, a), (16, a + 1), (24, a + 2)):
            around |= (self.base[at] if at < len(self.base) else 0) << shift
        return hashed(99, around) >> 46

    def entry(self, a):
        """The base byte of the entry for this place, and what that became; None if there is no entry."""
        return self.entries[self.slot(a)]

    def learn(self, a, byte):
        self.entries[self.slot(a)] = (self.base[a], byte)


class Movements:
    """Where what code refers to moved."""

    def __init__(self, base, target):
        self.base, self.target, self.entries = base, target, [(0, 0)] * (1 << 16)

    def leads(self, at):
        """Whether base[at] and base[at + 1] lead to a reference."""
        if at + 1 < 0:
            return False
        x, y = self.base[at] if at >= 0 else 0, self.base[at + 1]
        return y in (0xE8, 0xE9) or (x == 0x0F and 0x80 <= y <= 0x8F) or (y & 0xC7 == 0x05 and x in (0x8B, 0x8D))

    def four(self, at):
        return int.from_bytes(self.base[at : at + 4].ljust(4, b"\0"), "little")

    @staticmethod
    def slot(place):
        return (place * 0x9E3779B1 & M32) >> 16

    def learn(self, a, t):
        if not self.leads(a - 5):
            return
        before = self.four(a - 3)
        after = int.from_bytes(self.target[-4:], "little")
        place = a + 1 + before & M32
        self.entries[self.slot(place)] = (place, after - before + t - a & M32)

    def guess(self, a, t):
        for k in range(4):
            if self.leads(a - k - 2):
                before = self.four(a - k)
                place = a - k + 4 + before & M32
                known, moved = self.entries[self.slot(place)]
                if known != place or not place:
                    return None
                return (before + moved - (t - a) & M32) >> (8 * k) & 255
        return None


class Copies:
    def __init__(self, model, base, target):
        self.base, self.target = base, target
        self.memory, self.movements = Memory(base), Movements(base, target)
        self.checksums = Checksums(base, target)
        self.run = Number(model)
        self.is_header = Field(model, 3, 0, 1, limit=15)
        self.is_last = Field(model, 3, 0, 1, limit=15)
        self.flag = Field(model, 6, 0, 80, limit=15)
        self.changed = Field(model, 5, 5, 512)
        self.counters = [[32768] * 8 for _ in range(5)]

    def copy(self, at, length):
        end, since = at + length, QUIET
        self.last_run = self.flags = 0
        self.differences = (0, 0, 0)
        while at < end:
            if since >= QUIET:
                at, since = self.quiet(at, end)
            elif self.read_flag(at, since):
                self.change(at)
                at, since = at + 1, 0
            else:
                self.stay(at)
                at, since = at + 1, since + 1
                if since > 4:
                    self.differences = (0, *self.differences[:2])
                if since == QUIET:
                    self.last_run = 0

    def quiet(self, at, end):
        """What comes where nothing changed for a while: the new place, and the bytes since a change."""
        header = self.checksums.header_ahead(at, end)
        last, rest, flags = magnitude(self.last_run), end - at, self.flags
        if header is not None and self.one_bit(self.is_header, (54, flags & 0xFF), (55, flags & M32), (56, last)):
            self.target += self.base[at:header]
            return header, 0
        if self.one_bit(self.is_last, (51, last), (52, magnitude(rest)), (53, flags & 0xFF)):
            self.target += self.base[at:end]
            return end, 0
        run = self.run.read(hashed(61, last), hashed(62, magnitude(rest)), hashed(63, self.last_run))
        need(run < rest, "body: a change beyond its copy")
        self.last_run = run
        self.target += self.base[at : at + run]
        self.flags = (self.flags << 1 | 1) & (1 << 64) - 1
        self.change(at + run)
        return at + run + 1, 0

    def one_bit(self, field, *contexts):
        return field.bit([bucket(hashed(*one), 0) for one in contexts], 1, [], 0)

    def read_flag(self, a, since):
        b, t = self.base[a], len(self.target)
        entry, guess = self.memory.entry(a), self.movements.guess(a, t)
        remembered = 0 if entry is None else 1 if entry[0] == entry[1] else 2
        guessed = 0 if guess is None else 1 if guess == b else 2
        digit = self.checksums.digit(a)
        if digit is not None:
            guessed = 3 if digit == b else 4
        contexts = (
            hashed(71, self.flags >> 4 & 0xFFF),
            hashed(73, (self.base[a - 2] if a > 1 else 0) | (self.base[a - 1] if a else 0) << 8),
            hashed(75, remembered | b << 2),
            hashed(76, since | (t & 7) << 8),
            hashed(77, guessed | remembered << 3),
            hashed(78, self.differences[0]),
        )
        low = self.flags & 15
        flag = self.flag.bit([bucket(one, 0) for one in contexts], low, [], low | guessed << 4)
        self.flags = (self.flags << 1 | flag) & (1 << 64) - 1
        return flag

    def stay(self, a):
        self.target.append(self.base[a])
        self.learn(a, self.base[a])

    def learn(self, a, byte):
        """`byte`, the target's last, is what base byte `a` became."""
        self.memory.learn(a, byte)
        self.movements.learn(a, len(self.target) - 1)

    def change(self, a):
        b, t, tail = self.base[a], len(self.target), self.target.tail()
        first, second, _ = self.differences
        entry, digit = self.memory.entry(a), self.checksums.digit(a)
        remembered = entry[1] if entry and entry[0] != entry[1] else None
        candidates = (b + first & 255, remembered, self.movements.guess(a, t), b, digit)
        contexts = (
            hashed(11, b),
            hashed(12, b | (tail & 0xFF) << 8),
            hashed(13, first | b << 8),
            hashed(17, tail & 0xFFFF),
            hashed(19, t & 3 | first << 4 | second << 12 | b << 20),
        )

        def bit(node1, salt, node):
            number = 8 - node1.bit_length()  # 7 first
            agree = [one is not None and (one | 256) >> (number + 1) == node1 for one in candidates]
            more = []
            for candidate, counters, agrees in zip(candidates, self.counters, agree):
                strength = STRETCH[counters[number] >> 4] if agrees else 0
                more.append(strength if not agrees or candidate >> number & 1 else -strength)
            selector = node1 + (256 if digit is not None else 0)
            found = self.changed.bit([bucket(one, salt) for one in contexts], node, more, selector)
            for candidate, counters, agrees in zip(candidates, self.counters, agree):
                if agrees and candidate >> number & 1 == found:
                    counters[number] += (65535 - counters[number]) >> 6
                elif agrees:
                    counters[number] -= counters[number] >> 6
            return found

        byte = read_byte(bit)
        self.target.append(byte)
        self.differences = (byte - b & 255, first, second)
        self.learn(a, byte)
