"""A small pair of images: tars of programs that do not compress, and of texts. The second changes some of both."""

import io
import random
import tarfile

PROGRAMS = 30
PROGRAM_BYTES = 700_000
TEXTS = 300


def _program(number, is_new):
    source = random.Random(number)
    code = bytearray(source.randbytes(PROGRAM_BYTES))
    if is_new and number % 5 == 3:
        for at in range(50_000, len(code), 100_000):
            code[at : at + 4] = b"\x90\x90\xc3"
    if is_new and number % 10 == 6:
        return source.randbytes(PROGRAM_BYTES)
    return bytes(code)


def _text(number, is_new):
    source = random.Random(number + 10_000)
    words = [source.choice(["stone", "river", "of", "the", "light", "and", "a", "house"]) for _ in range(900)]
    if is_new and number % 40 == 7:
        words.insert(len(words) // 2, "edited")
    return " ".join(words).encode()


def write(path, is_new):
    time = 1_760_000_000 if is_new else 1_750_000_000
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for folder, count, maker in (("bin", PROGRAMS, _program), ("doc", TEXTS, _text)):
            for number in range(count):
                data = maker(number, is_new)
                entry = tarfile.TarInfo(f"usr/{folder}/{number:04}")
                entry.size, entry.mtime = len(data), time
                tar.addfile(entry, io.BytesIO(data))
