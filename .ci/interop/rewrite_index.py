#!/usr/bin/env python3
"""Takes indexes of version 2 apart, by docs/format/index-2.md alone, and writes them again.

    rewrite_index.py statement INDEX OUT
    rewrite_index.py sign INDEX OUT KEY SIGNATURE [KEY SIGNATURE]...
    rewrite_index.py change INDEX OUT FIELD

`statement` writes the bytes that keys sign; `sign` adds signatures, files of minisign's or of 64 bytes, to the head.
`change` makes one bit of a field another (format/rewrite.py says which fields there are), and mends the checksums.
"""

import sys

from format.head import read_head
from format.rewrite import changed, places, signed
from format.store import read_file


def main(verb, index, out, *more):
    data = read_file(index)
    if verb == "statement":
        data = read_head(data).signed
    elif verb == "sign":
        files = list(map(read_file, more))
        data = signed(data, list(zip(files[::2], files[1::2])))
    else:
        data = changed(data, places(data)[more[0]])
    with open(out, "wb") as file:
        file.write(data)


main(*sys.argv[1:])
