"""Section 1: numbers, and fields taken from bytes."""

import blake3

KIB, MIB = 1 << 10, 1 << 20
M64 = (1 << 64) - 1


class Mismatch(Exception):
    """What is not as it should be."""


def need(condition, text):
    if not condition:
        raise Mismatch(text)


def digest(data, context=None):
    return blake3.blake3(data, derive_key_context=context).digest()


def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


class Reader:
    """Takes fields from the front of some bytes, and never more than there are."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(count <= len(self.data) - self.at, "a field is longer than what holds it")
        self.at += count
        return self.data[self.at - count : self.at]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            need(value <= M64, "a varint of more than 64 bits")
            if byte < 128:
                need(byte or not shift, "a varint that is not the shortest")
                return value
            shift += 7

    def left(self):
        return self.at < len(self.data)

    def end(self, what):
        need(not self.left(), what + ": bytes behind the end")
