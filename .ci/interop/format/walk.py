"""Section 2: an image as operations over two streams."""

from collections import namedtuple

from .fields import MIB, Reader, need, varint

LITERAL, CONTENTS, MARK = 0, 1, 2
CODED_BEGINS, CODED_ENDS = 1, 2
MAX_LITERAL = 64 << 10
BLOCK, MAX_LEVELS = 512, 8
NO_END = 1 << 64  # The image's end is not known in advance: no size is cut to it, only what there is to read.

# A stretch of the plain image that stands for `stored` bytes of the image.
Stretch = namedtuple("Stretch", "start end stored")
Assembled = namedtuple("Assembled", "plain stretches files operations")  # files: lengths, in order


def octal(field):
    """Optional spaces, digits (none mean 0), then NUL or space or the field's end; what is behind is ignored."""
    digits = field.lstrip(b" ")
    behind = digits.lstrip(b"01234567")
    return int(digits[: len(digits) - len(behind)] or b"0", 8) if behind[:1] in (b"", b"\0", b" ") else None


def header_size(block):
    """The size in a tar header, or None if the block is not one."""
    if len(block) < BLOCK or not any(block):
        return None
    plain = block[:148] + b" " * 8 + block[156:]
    unsigned = sum(plain)
    signed = unsigned - 256 * sum(byte > 127 for byte in plain)
    if not any(48 <= byte <= 57 for byte in block[148:156]) or octal(block[148:156]) not in (unsigned, signed):
        return None
    if block[124] == 0x80:
        size = int.from_bytes(block[125:136], "big")
        return size if size < 1 << 63 else None
    return octal(block[124:136])


def decimal(digits, limit):
    """Decimal digits and nothing else."""
    short = digits.lstrip(b"0")[:20] or b"0"
    return int(short) if digits.isdigit() and int(short) < limit else None


def pax_size(data):
    """The `size` record of an extended header: the last one counts, also if its value is none, below
    2^63; one record that is not in the form makes all void, but what is left without a space is ignored."""
    size = None
    while b" " in data:
        length = decimal(data.split(b" ", 1)[0], len(data) + 1)
        if length is None or data[length - 1 : length] != b"\n":
            return None
        key, equals, value = data[: length - 1].partition(b" ")[2].partition(b"=")
        if not equals:
            return None
        if key == b"size":
            size = decimal(value, 1 << 63)
        data = data[length:]
    return size


class Walker:
    """Goes through a plain image. `parts`, in its order: ("literal", start, end), ("file", start, end, size, opaque),
    ("level",) where a nested level starts or ends, and ("mark", kind). `size` is what the file should have.
    `stretches` says which files are coded."""

    def __init__(self, image, stretches=()):
        self.image, self.parts = image, []
        self.stretches = {one.start: one for one in stretches}
        whole = self.stretches.get(0)
        if whole:
            # What begins with a coded file is no tar outside it: all of the image is that file.
            need(whole.end == len(image), "bytes behind a coded image")
            self.coded(whole)
        else:
            self.alone(0, len(image), 1)
        need(not self.stretches, "a coded file that is not the data of an outermost entry")

    def alone(self, at, stop, depth):
        """An image, or a coded stretch, which is a level within the image's."""
        if header_size(self.image[at : min(at + BLOCK, stop)]) is None:
            self.parts.append(("file", at, stop, stop - at, True))
        else:
            self.level(at, NO_END, stop, depth)

    def coded(self, stretch):
        del self.stretches[stretch.start]
        others, self.stretches = self.stretches, {}
        self.parts.append(("mark", CODED_BEGINS))
        self.alone(stretch.start, stretch.end, 2)
        self.parts.append(("mark", CODED_ENDS))
        self.stretches = others

    def level(self, at, end, stop, depth):
        start, image = at, self.image
        stop = min(end, stop)
        override = None
        while at < stop:
            block = image[at : min(at + BLOCK, stop)]
            if len(block) < BLOCK or not any(block):
                at = self.literal(at, at + len(block), stop)
                continue
            size, kind = header_size(block), block[156:157]
            if size is None:
                self.parts.append(("file", at, stop, stop - at, True))
                return
            at = self.literal(at, at + BLOCK, stop)
            if kind in b"xgLKXV" and size <= MIB:
                found = pax_size(image[at : min(at + size, stop)]) if kind == b"x" else None
                override = override if found is None else found
                at = self.literal(at, at + size + -(at + size - start) % BLOCK, stop)
                continue
            if kind not in b"xgLKXV":
                size, override = size if override is None else override, None
            if kind in b"123456" and size:
                following = image[at : min(at + BLOCK, stop)]
                if len(following) < BLOCK or not any(following) or header_size(following) is not None:
                    size = 0
            elif kind == b"S":
                more = block[482]
                while more and at < stop:
                    more = at + BLOCK <= stop and image[at + 504]
                    at = self.literal(at, at + BLOCK, stop)
            stretch = self.stretches.get(at) if depth == 1 and size else None
            if stretch:
                self.coded(stretch)
                need(stretch.stored <= size, "a coded file is longer than its entry")
                at, start = stretch.end, start + stretch.end - stretch.start - stretch.stored
            else:
                at = self.data(at, min(size, end - at), stop, depth)
            at = self.literal(at, at + -(at - start) % BLOCK, stop)

    def data(self, at, size, stop, depth):
        """One entry's data, cut to what is left of an enclosing entry."""
        upto = min(at + size, stop)
        if size >= BLOCK and depth < MAX_LEVELS and header_size(self.image[at : min(at + BLOCK, upto)]) is not None:
            self.parts.append(("level",))
            self.level(at, at + size, stop, depth + 1)
            self.parts.append(("level",))
        else:
            self.parts.append(("file", at, upto, size, False))
        return upto

    def literal(self, at, upto, stop):
        upto = min(upto, stop)
        self.parts.append(("literal", at, upto))
        return upto


def skeleton_of(image, parts):
    """Each file has a contents operation of its own, also where two of them touch."""
    out, literal = bytearray(), bytearray()
    for part in parts + [("end",)]:
        if part[0] == "literal":
            literal += image[part[1] : part[2]]
        elif part[0] in ("end", "mark") or (part[0] == "file" and part[1] < part[2]):
            for at in range(0, len(literal), MAX_LITERAL):
                piece = literal[at : at + MAX_LITERAL]
                out += varint(len(piece) * 4 + LITERAL) + piece
            literal.clear()
            if part[0] == "file":
                out += varint((part[2] - part[1]) * 4 + CONTENTS)
            elif part[0] == "mark":
                out += varint(part[1] * 4 + MARK)
    return bytes(out)


def assemble(skeleton, contents):
    """The plain image of two streams, and which stretches of it are coded; what these store is not known here."""
    ops, data, out = Reader(skeleton), Reader(contents), bytearray()
    stretches, files, begun, count = [], [], None, 0
    while ops.left():
        length, kind = divmod(ops.varint(), 4)
        count += 1
        need(kind in (LITERAL, CONTENTS, MARK) and length, "skeleton: an unknown or empty operation")
        if kind == MARK:
            need(length == (CODED_BEGINS if begun is None else CODED_ENDS), "skeleton: a mark out of order")
            if begun is not None:
                need(len(out) > begun, "skeleton: an empty coded stretch")
                stretches.append(Stretch(begun, len(out), None))
            begun = len(out) if begun is None else None
            continue
        need(kind == CONTENTS or length <= MAX_LITERAL, "skeleton: a literal is too long")
        out += (ops if kind == LITERAL else data).take(length)
        if kind == CONTENTS:
            files.append(length)
    need(begun is None, "skeleton: a coded stretch without an end")
    data.end("contents stream")
    return Assembled(bytes(out), stretches, files, count)
