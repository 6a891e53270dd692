"""Section 2, and docs/format/index-2.md, section 1: an image as operations over two streams."""

from collections import namedtuple

from .fields import MIB, Reader, need, varint

LITERAL, CONTENTS, MARK = 0, 1, 2
CODED_BEGINS, CODED_ENDS = 1, 2
MAX_LITERAL = 64 << 10
BLOCK, MAX_LEVELS = 512, 8
MAX_CANDIDATES = 1024
TAR, FILE, WHOLE = 1, 2, 3  # What may be a part: a candidate of either kind; the tar in a coded image.
NO_END = 1 << 64  # The image's end is not known in advance: no size is cut to it, only what there is to read.

# A stretch of the plain image that stands for `stored` bytes of the image, and the stretches in it.
Stretch = namedtuple("Stretch", "start end stored inner", defaults=((),))
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
    """Goes through a plain image. `steps`, in its order: ("literal", start, end), ("file", start, end, size, opaque),
    ("level",) where a nested level starts or ends, ("mark", kind), and by rules 3 ("begin", kind, at) and ("end", kind,
    at) around what may be a part. `size` is what the file should have. `stretches` says which files are coded.
    `large`: the bytes from which on a file is a candidate; None: by rules 1 and 2. `has_tar`: one of all candidates is
    a tar."""

    def __init__(self, image, stretches=(), large=None):
        self.image, self.steps = image, []
        self.large, self.candidates, self.has_tar = large, 0, False
        self.stretches = {one.start: one for one in stretches}
        whole = self.stretches.get(0)
        if whole:
            # What begins with a coded file is no tar outside it: all of the image is that file.
            need(whole.end == len(image), "bytes behind a coded image")
            self.coded(whole, True)
        else:
            self.alone(0, len(image), 1, True)
        need(not self.stretches, "a coded file that is not the data of an outermost entry")

    def alone(self, at, stop, depth, outer):
        """An image, or a coded stretch, which is a level within the image's."""
        if header_size(self.image[at : min(at + BLOCK, stop)]) is None:
            self.file(at, stop, stop - at, True, outer)
        else:
            self.level(at, NO_END, stop, depth, outer)

    def coded(self, stretch, whole=False):
        del self.stretches[stretch.start]
        others, self.stretches = self.stretches, {}
        self.steps.append(("mark", CODED_BEGINS))
        start, end = stretch.start, stretch.end
        is_tar = header_size(self.image[start : min(start + BLOCK, end)]) is not None
        if self.large is None or not is_tar:
            self.alone(start, end, 2, self.large is not None)
        elif whole:
            # The tar in a coded image has candidates of its own, and levels count from it.
            self.steps.append(("begin", WHOLE, start))
            self.level(start, NO_END, end, 1, True)
            self.steps.append(("end", WHOLE, end))
        else:
            self.tar(start, NO_END, end, 2)
        self.steps.append(("mark", CODED_ENDS))
        self.stretches = others

    def tar(self, at, end, stop, depth):
        """A tar at the outermost level. By rules 3 its levels count from itself if it may be a part."""
        is_candidate = self.large is not None and self.candidates < MAX_CANDIDATES
        self.candidates, self.has_tar = self.candidates + 1, True
        if is_candidate:
            self.steps.append(("begin", TAR, at))
        self.level(at, end, stop, 1 if is_candidate else depth, False)
        if is_candidate:
            self.steps.append(("end", TAR, min(end, stop)))

    def file(self, at, upto, size, opaque, outer):
        step = ("file", at, upto, size, opaque)
        if not outer or self.large is None or upto - at < self.large:
            self.steps.append(step)
            return
        is_candidate = self.candidates < MAX_CANDIDATES
        self.candidates += 1
        self.steps += [("begin", FILE, at), step, ("end", FILE, upto)] if is_candidate else [step]

    def level(self, at, end, stop, depth, outer):
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
                self.file(at, stop, stop - at, True, outer)
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
            stretch = self.stretches.get(at) if outer and size else None
            if stretch:
                self.coded(stretch)
                need(stretch.stored <= size, "a coded file is longer than its entry")
                at, start = stretch.end, start + stretch.end - stretch.start - stretch.stored
            else:
                at = self.data(at, min(size, end - at), stop, depth, outer)
            at = self.literal(at, at + -(at - start) % BLOCK, stop)

    def data(self, at, size, stop, depth, outer):
        """One entry's data, cut to what is left of an enclosing entry."""
        upto = min(at + size, stop)
        if size >= BLOCK and depth < MAX_LEVELS and header_size(self.image[at : min(at + BLOCK, upto)]) is not None:
            self.steps.append(("level",))
            if outer:
                self.tar(at, at + size, stop, depth + 1)
            else:
                self.level(at, at + size, stop, depth + 1, False)
            self.steps.append(("level",))
        else:
            self.file(at, upto, size, False, outer)
        return upto

    def literal(self, at, upto, stop):
        upto = min(upto, stop)
        self.steps.append(("literal", at, upto))
        return upto


class Divided:
    """A disk image, by rules 5: its operations are its stretches. `steps`: as those of a walker."""

    has_tar = False

    def __init__(self, skeleton):
        ops, at, self.steps = Reader(skeleton), 0, []
        while ops.left():
            length, kind = divmod(ops.varint(), 4)
            if kind == MARK:
                mark, begins = ("mark", length), length == CODED_BEGINS
                self.steps += [mark, ("begin", WHOLE, at)] if begins else [("end", WHOLE, at), mark]
                continue
            if kind == LITERAL:
                ops.take(length)
            self.steps.append(
                ("literal", at, at + length) if kind == LITERAL else ("file", at, at + length, length, True)
            )
            at += length


def skeleton_of(image, steps):
    """The skeleton stream, in pieces: at the beginning and the end of a tar that may be a part, one ends. Each file has
    a contents operation of its own, also where two of them touch."""
    out, literal = [bytearray()], bytearray()
    for step in steps + [("end", WHOLE)]:
        is_border = step[0] in ("begin", "end") and step[1] != FILE
        if step[0] == "literal":
            literal += image[step[1] : step[2]]
        elif is_border or step[0] == "mark" or (step[0] == "file" and step[1] < step[2]):
            for at in range(0, len(literal), MAX_LITERAL):
                piece = literal[at : at + MAX_LITERAL]
                out[-1] += varint(len(piece) * 4 + LITERAL) + piece
            literal.clear()
            if step[0] == "file":
                out[-1] += varint((step[2] - step[1]) * 4 + CONTENTS)
            elif step[0] == "mark":
                out[-1] += varint(step[1] * 4 + MARK)
            else:
                out.append(bytearray())
    return [bytes(piece) for piece in out[:-1]]


def assemble(skeleton, contents, nested=1):
    """The plain image of two streams, and which stretches of it are coded; what these store is not known here.
    `nested`: how many stretches may lie in one another."""
    ops, data, out = Reader(skeleton), Reader(contents), bytearray()
    files, count, open_at = [], 0, []
    found = [[]]  # Of the outermost level, and of each stretch that is open.
    while ops.left():
        length, kind = divmod(ops.varint(), 4)
        count += 1
        need(kind in (LITERAL, CONTENTS, MARK) and length, "skeleton: an unknown or empty operation")
        if kind != MARK:
            need(kind == CONTENTS or length <= MAX_LITERAL, "skeleton: a literal is too long")
            out += (ops if kind == LITERAL else data).take(length)
            files += [length] if kind == CONTENTS else []
        elif length == CODED_BEGINS:
            need(len(open_at) < nested, "skeleton: too many coded stretches in one another")
            open_at.append(len(out))
            found.append([])
        else:
            need(length == CODED_ENDS and open_at, "skeleton: a mark out of order")
            start, inner = open_at.pop(), found.pop()
            need(len(out) > start, "skeleton: an empty coded stretch")
            found[-1].append(Stretch(start, len(out), None, tuple(inner)))
    need(not open_at, "skeleton: a coded stretch without an end")
    data.end("contents stream")
    return Assembled(bytes(out), found[0], files, count)
