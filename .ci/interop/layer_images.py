#!/usr/bin/env python3
"""Writes pairs of docker-archives for `regrow layer`: layer_images.py FOLDER. Each pair is a folder with old.tar and new.tar, and
has what engines treat in ways of their own: hard links, whiteouts, opaque folders, files in the place of folders and back,
capabilities, devices, large user numbers, fractions of seconds, names that are no text.
"""

import gzip
import hashlib
import io
import json
import os
import struct
import sys
import tarfile

CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0).decode()
OTHER_CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 13, 0, 0, 0).decode()


class Layer:
    """A layer's entries, in the order in which they are given."""

    def __init__(self):
        self.data = io.BytesIO()
        self.tar = tarfile.open(fileobj=self.data, mode="w", format=tarfile.PAX_FORMAT)

    def add(self, name, kind, data=None, mode=0o644, owner=(0, 0), mtime=1_600_000_000, link="", xattrs=None, device=(0, 0)):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode, entry.linkname = kind, mode, link
        entry.uid, entry.gid = owner
        entry.mtime = mtime
        entry.devmajor, entry.devminor = device
        entry.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in (xattrs or {}).items()}
        if data is not None:
            entry.size = len(data)
        self.tar.addfile(entry, io.BytesIO(data) if data is not None else None)
        return self

    def folder(self, name, mode=0o755, **more):
        return self.add(name, tarfile.DIRTYPE, mode=mode, **more)

    def file(self, name, text="", **more):
        return self.add(name, tarfile.REGTYPE, text.encode(), **more)

    def link(self, name, to, **more):
        return self.add(name, tarfile.LNKTYPE, link=to, **more)

    def symlink(self, name, to, **more):
        return self.add(name, tarfile.SYMTYPE, link=to, mode=0o777, **more)

    def gone(self, name):
        folder, _, own = name.rpartition("/")
        return self.file((folder + "/" if folder else "") + ".wh." + own)

    def opaque(self, folder):
        return self.file(folder + "/.wh..wh..opq")

    def bytes(self):
        self.tar.close()
        return self.data.getvalue()


def digest(data):
    return hashlib.sha256(data).hexdigest()


def write(path, name, layers, compress=False):
    """A docker-archive, whose layers may be compressed."""
    plain = [layer.bytes() for layer in layers]
    history = [{"created": "2024-01-01T00:00:00Z", "created_by": f"step {number}"} for number in range(len(plain))]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Cmd": ["/bin/" + name]},
        "history": history,
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(layer) for layer in plain]},
    }
    config = json.dumps(config).encode()
    names = [f"{number}-{digest(layer)[:12]}.tar" for number, layer in enumerate(plain)]
    manifest = [{"Config": digest(config) + ".json", "RepoTags": [f"layer-test:{name}"], "Layers": names}]
    entries = [(digest(config) + ".json", config), ("manifest.json", json.dumps(manifest).encode())]
    entries += [(own, gzip.compress(layer, mtime=0) if compress else layer) for own, layer in zip(names, plain)]
    with tarfile.open(path, "w") as tar:
        for own, data in entries:
            entry = tarfile.TarInfo(own)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def base():
    """A root file system that both images of most pairs have as their lowest layer."""
    layer = Layer().folder("./", mtime=1_500_000_000).folder("bin/").folder("etc/", mtime=1_500_000_001.25)
    layer.file("bin/tool", "tool", mode=0o4755).link("bin/tool2", "bin/tool", mode=0o4755)
    layer.link("etc/tool3", "bin/tool", mode=0o4755)
    layer.file("etc/same", "same").file("etc/changed", "before").file("etc/gone", "gone").symlink("etc/to", "same")
    layer.folder("var/").folder("var/deep/").folder("var/deep/er/").file("var/deep/er/file", "1").file("var/deep/kept", "1")
    return layer


def tricky_old():
    upper = Layer().folder("a/").folder("a/folder/").file("a/folder/in", "1").file("a/file", "1").symlink("a/sym", "folder")
    upper.folder("a/emptied/").file("a/emptied/1", "1").folder("a/emptied/2/").file("a/emptied/2/3", "1")
    upper.file("a/cap", "cap", xattrs={"security.capability": CAPABILITY}).file("a/cap2", "cap")
    upper.file("a/cap3", "cap", xattrs={"security.capability": CAPABILITY, "user.note": "old"})
    upper.file("a/big", "big", owner=(3_000_000_000, 2_500_000)).file("a/time", "time", mtime=1_600_000_000.125)
    upper.add("a/null", tarfile.CHRTYPE, device=(1, 3)).add("a/loop", tarfile.BLKTYPE, device=(7, 0)).add("a/pipe", tarfile.FIFOTYPE)
    upper.folder("a/sticky/", mode=0o1777).file("a/caf\udce9", "latin").file("a/" + "l" * 200, "long").file("a/empty")
    upper.folder("h/").file("h/one", "linked").link("h/two", "h/one").link("h/three", "h/one").file("h/alone", "alone")
    upper.file("h/p", "pair").link("h/q", "h/p").file("x/y/z/only", "1")
    over = Layer().folder("var/").folder("var/deep/").gone("var/deep/er").opaque("a/emptied").folder("a/").folder("a/emptied/")
    over.file("a/emptied/after", "1").gone("etc/gone").folder("etc/", mtime=1_500_000_001.25)
    return [base(), upper, over]


def tricky_new():
    upper = Layer().folder("a/", mtime=1_700_000_000.5).file("a/folder", "now a file").folder("a/file/").file("a/file/in", "1")
    upper.folder("a/sym/").file("a/sym/in", "1").folder("a/emptied/", mtime=1_234_567_890)
    upper.file("a/cap", "cap").file("a/cap2", "cap", xattrs={"security.capability": CAPABILITY})
    upper.file("a/cap3", "cap", xattrs={"security.capability": OTHER_CAPABILITY, "user.note": "new"})
    upper.file("a/big", "big", owner=(3_000_000_001, 2_500_000)).file("a/time", "time", mtime=1_600_000_000.0625)
    upper.add("a/null", tarfile.CHRTYPE, device=(1, 5)).add("a/loop", tarfile.BLKTYPE, device=(7, 0)).file("a/pipe", "a file")
    upper.folder("a/sticky/", mode=0o2775).file("a/caf\udce9", "latin too").file("a/" + "l" * 200, "longer").file("a/empty")
    upper.file("a/new\udcff" + "n" * 150, "a long name that is no text").symlink("a/far", "f" * 150).file("a/old", mtime=-1.5)
    upper.folder("a/tagged/", xattrs={"user.note": "folder"}).file("a/tagged/in", "1")
    upper.folder("h/").file("h/one", "linked").link("h/two", "h/one").file("h/alone", "alone").link("h/too", "h/alone")
    upper.file("h/p", "pair").file("h/q", "pair").folder("w/").folder("w/x/").file("w/x/1", "1").link("w/2", "w/x/1")
    over = Layer().folder("w/").gone("w/x").folder("etc/", mtime=1_500_000_001.25).file("etc/changed", "after", mtime=1_650_000_000.75)
    over.gone("etc/to").folder("bin/").file("bin/tool", "tool", mode=0o755).link("bin/tool2", "bin/tool", mode=0o755)
    over.gone("var")
    return [base(), upper, over]


def swapped_old():
    """Folders, files and links that take one another's places, several layers deep."""
    one = Layer().folder("s/").folder("s/a/").folder("s/a/b/").file("s/a/b/c", "1").file("s/d", "1").symlink("s/e", "a")
    two = Layer().folder("s/").file("s/a", "file over folder").folder("s/d/").file("s/d/x", "1").gone("s/e")
    return [one, two]


def swapped_new():
    one = Layer().folder("s/").folder("s/a/").folder("s/a/b/").file("s/a/b/other", "1").symlink("s/d", "a").folder("s/e/")
    return [one.file("s/e/1", "1")]


def without_root_old():
    """No entry for the root, nor for some folders; and everything that the old image has is gone."""
    return [Layer().file("only/here/file", "1").folder("k/").file("k/1", "1")]


def without_root_new():
    return [Layer().folder("k/").file("k/1", "1").folder("n/").file("n/m", "1")]


def sparse(text):
    """A sparse file of 1 MiB with one run of data in it."""
    layer = Layer()
    data = text.encode().ljust(4096, b"x")
    chart = b"1\n524288\n4096\n".ljust(512, b"\0")
    entry = tarfile.TarInfo("GNUSparseFile.0/f")
    entry.size, entry.mode, entry.mtime = len(chart + data), 0o644, 1_600_000_000
    entry.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "sp/f", "GNU.sparse.realsize": "1048576"}
    layer.folder("sp/").tar.addfile(entry, io.BytesIO(chart + data))
    return [layer.file("sp/other", "1")]


PAIRS = {
    "tricky": (tricky_old, tricky_new),
    "swapped": (swapped_old, swapped_new),
    "without-root": (without_root_old, without_root_new),
    "sparse": (lambda: sparse("old"), lambda: sparse("new")),
}

if __name__ == "__main__":
    for pair, (old, new) in PAIRS.items():
        folder = os.path.join(sys.argv[1], pair)
        os.makedirs(folder)
        write(os.path.join(folder, "old.tar"), "old", old(), compress=pair == "swapped")
        write(os.path.join(folder, "new.tar"), "new", new(), compress=pair == "tricky")
