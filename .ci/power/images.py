"""Images for the flows, the same in each run."""

import gzip
import io
import random
import tarfile


def files(seed, count, largest):
    """Files of a few bytes to some KiB, and some large ones, by path."""
    chance, found = random.Random(seed), {}
    for number in range(count):
        length = chance.randrange(largest // 3, largest) if number % 10 == 1 else chance.randrange(1, 3000)
        found[f"usr/lib/part-{number % 7}/file-{number}.so"] = chance.randbytes(length)
    return found


def changed(tree):
    """The next version: some files change in the middle, one of ten altogether, and one is new."""
    after = {}
    for number, (path, data) in enumerate(sorted(tree.items())):
        if number % 9 == 1 and len(data) > 2000:
            middle = len(data) // 2
            data = data[:middle] + b"0123456789" + data[middle + 10 :]
        if number % 10 == 6:
            data = random.Random(path).randbytes(len(data))
        after[path] = data
    after["usr/new"] = random.Random("new").randbytes(30_000)
    return after


def tar(tree, time):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, data in sorted(tree.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime = len(data), time
            archive.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def oci(tree, time):
    """An archive with a layer that zlib wrote, which regrow sees through."""
    layer = gzip.compress(tar(tree, time), mtime=0)
    return tar({"blobs/sha256/0123": layer, "index.json": b'{"manifests":[]}', "oci-layout": b"{}"}, time)
