#!/usr/bin/env python3
"""Writes what the golden bodies of delta/tests/golden are made of: golden_bodies.py BASE TARGET."""

import sys


class Source:
    """The generator of Numerical Recipes, as delta/tests/golden.rs has it."""

    def __init__(self):
        self.state = 20

    def next(self):
        self.state = (self.state * 1_664_525 + 1_013_904_223) & 0xFFFFFFFF
        return self.state >> 16


def code(shape, is_new):
    """Functions, each of which calls another."""
    lengths = [31 if is_new and n % 50 == 0 else 11 + longer for n, (longer, _, _) in enumerate(shape)]
    starts = [sum(lengths[:n]) + 5 * n for n in range(len(shape))]
    out = bytearray()
    for length, (_, called, noise) in zip(lengths, shape):
        out += bytes((noise >> (at % 8) ^ at * 7) & 255 for at in range(length)) + b"\xe8"
        out += (starts[called % len(starts)] - len(out) - 4 & 0xFFFFFFFF).to_bytes(4, "little")
    return bytes(out)


def headers(time):
    """Bytes that resemble tar headers with this time, with padding between them."""
    out = bytearray()
    for number in range(40):
        header = bytearray(512)
        header[:12] = b"file-%07d" % (number * number * 77)
        header[124:148] = b"%011o\0%011o\0" % (number * 1234, time + number // 8)
        header[148:156] = b" " * 8
        header[148:155] = b"%06o\0" % sum(header)
        out += header + bytes(number * 131 % 512)
    return bytes(out)


def main():
    source = Source()
    shape = [(source.next() % 40, source.next() % 300, source.next()) for _ in range(1500)]
    base, target = code(shape, False), code(shape, True)
    target = target[:9000] + bytes(source.next() % 20 + 97 for _ in range(700)) + target[9000:]
    target = target[30_000:] + target[:30_000]
    for path, data in zip(sys.argv[1:], (headers(0o14_477_777_000) + base, headers(0o14_500_001_234) + target)):
        with open(path, "wb") as file:
            file.write(data)


main()
