"""A file system of which the power may be cut: what is durable, what may be, and the states that this allows.

The rules are stricter than any one file system's:

- Bytes are durable after fsync or fdatasync of their file, if they were written before it began. Until then each page of
  4 KiB (or, in some states, each sector of 512 bytes) may have the bytes after any of the writes since, and the file may
  have any length that it had since. Some states follow the order of the writes, others the order of the places.
- A name is durable after fsync of its folder. An fsync of the file does not make its name durable, nor an fsync of a folder
  the folder's own name.
- Names that are not durable: in states of the kind "journal" those up to some moment have happened; in states of the kind
  "loose" any of them, if those before it that have a name in common with it have happened too; in states of the kind
  "split" a rename from one folder to another may moreover have happened in one of the two alone.
"""

import os
import posixpath
from dataclasses import dataclass, field

from record import UnknownCall

PAGE, SECTOR = 4096, 512
SHARED_MEMORY = "-shm"


@dataclass
class Inode:
    """A file, a folder or a link, with what is durable of it, and what is pending."""

    kind: str
    number: int
    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    pending: list = field(default_factory=list)
    """Changes since: (ended, at, bytes) of a write, (ended, length, None) of a cut or a lengthening."""
    names: dict = field(default_factory=dict)
    """Of a folder: what a process sees."""
    durable_names: dict = field(default_factory=dict)
    target: str = ""
    mode: int = 0o644

    def write(self, ended, at, data):
        if not data:
            return
        self.grow(at + len(data))
        self.content[at : at + len(data)] = data
        self.pending.append((ended, at, bytes(data)))

    def grow(self, length):
        self.content.extend(bytes(max(0, length - len(self.content))))

    def resize(self, ended, length):
        if length != len(self.content):
            del self.content[length:]
            self.grow(length)
            self.pending.append((ended, length, None))

    def sync(self, begun):
        """What ended before the sync began is durable."""
        covered = [change for change in self.pending if change[0] < begun]
        if len(covered) == len(self.pending):
            self.durable = bytes(self.content)
        else:
            self.durable = apply(self.durable, covered, lambda page, number: True, PAGE, len(covered))
        self.pending = self.pending[len(covered) :]

    def torn(self, chance):
        """One of the contents that a crash may leave."""
        if not self.pending or chance.random() < 0.15:
            return self.durable
        if chance.random() < 0.2:
            return bytes(self.content)
        unit = SECTOR if chance.random() < 0.2 else PAGE
        changes = len(self.pending)
        likely, order = chance.choice([0.1, 0.5, 0.9]), chance.choice(["any", "any", "written", "up", "down"])
        until, border = chance.randrange(changes + 1), chance.randrange(len(self.content) // unit + 2)
        reached = {}

        def is_there(page, number):
            if order == "written":
                return number < until
            if order != "any":
                return (page < border) == (order == "up")
            if page not in reached:
                reached[page] = changes if chance.random() < likely else chance.randrange(changes + 1)
            return number < reached[page]

        return apply(self.durable, self.pending, is_there, unit, chance.choice([0, changes, until]))


def apply(durable, changes, is_there, unit, resized):
    """The durable bytes with those pieces of the changes that `is_there`, and the length after `resized` of them."""
    length, longest = len(durable), len(durable)
    for number, (_, at, data) in enumerate(changes):
        end = at if data is None else at + len(data)
        now = end if data is None else max(length, end)
        longest = max(longest, end)
        length = now if number < resized else length
    out = bytearray(durable) + bytes(longest - len(durable))
    for number, (_, at, data) in enumerate(changes):
        if data is None:
            data = bytes(longest - at)
        place = at
        while place < at + len(data):
            end = min(at + len(data), (place // unit + 1) * unit)
            if is_there(place // unit, number):
                out[place:end] = data[place - at : end - at]
            place = end
    del out[length:]
    return bytes(out)


@dataclass
class NameChange:
    """A change of names: of each pair of folder and name, the inode that it names from then on, or none."""

    ended: int
    changes: dict
    synced: set = field(default_factory=set)
    """Folders that were synced since."""

    @property
    def folders(self):
        return {folder for folder, _ in self.changes}

    @property
    def is_durable(self):
        return bool(self.synced)

    def halves(self):
        """The same by folder, as if it were no one change."""
        for folder in sorted(self.folders):
            changes = {key: inode for key, inode in self.changes.items() if key[0] == folder}
            yield NameChange(self.ended, changes, self.synced & {folder})


class FileSystem:
    """What stands below `root`, and the devices at the given paths, fed with the calls of a process."""

    def __init__(self, root, devices=()):
        self.root, self.inodes, self.pending = root, [], []
        self.top = self.load(root)
        self.devices = {path: self.load(path) for path in devices}
        self.cwd, self.open_files = "/", {}

    def new(self, kind, **fields):
        inode = Inode(kind, len(self.inodes), **fields)
        self.inodes.append(inode)
        return inode

    def load(self, path):
        """What is there before the process begins is durable."""
        if os.path.islink(path):
            return self.new("link", target=os.readlink(path))
        if os.path.isdir(path):
            folder = self.new("folder")
            folder.names = {name: self.load(os.path.join(path, name)) for name in sorted(os.listdir(path))}
            folder.durable_names = dict(folder.names)
            return folder
        with open(path, "rb") as file:
            content = file.read()
        return self.new("file", content=bytearray(content), durable=content, mode=os.stat(path).st_mode & 0o7777)

    # Paths.

    def locate(self, path, base=None, follow=True, depth=0):
        """Folder, name and inode (or none) of a path below the root; none for what lies elsewhere."""
        path = posixpath.normpath(posixpath.join(base or self.cwd, path))
        if path in self.devices:
            return None, path, self.devices[path]
        inside = posixpath.relpath(path, self.root)
        if inside.startswith("..") or depth > 40:
            return None
        folder, name, inode = None, ".", self.top
        parts = [] if inside == "." else inside.split("/")
        for number, part in enumerate(parts):
            if inode is None or inode.kind != "folder":
                raise UnknownCall(f"{path}: not in the model")
            folder, name = inode, part
            inode = folder.names.get(name)
            is_last = number + 1 == len(parts)
            if inode is not None and inode.kind == "link" and (follow or not is_last):
                here = posixpath.join(self.root, *parts[:number])
                rest = posixpath.join(posixpath.join(here, inode.target), *parts[number + 1 :])
                return self.locate(rest, "/", follow, depth + 1)
        return folder, name, inode

    def change_names(self, call, changes):
        """Each change is of a folder, a name in it, and the inode that it has from then on."""
        for (folder, name), inode in changes.items():
            if inode is None:
                del self.inodes[folder].names[name]
            else:
                self.inodes[folder].names[name] = inode
        self.pending.append(NameChange(call.ended, changes))

    def sync(self, inode, call):
        if inode.kind == "folder":
            for change in self.pending:
                if change.ended < call.begun and inode.number in change.folders:
                    change.synced.add(inode.number)
            self.settle()
        elif inode.kind == "file":
            inode.sync(call.begun)

    def settle(self):
        """Changes at the front that are durable in all of their folders need not be looked at again."""
        while self.pending and self.pending[0].synced == self.pending[0].folders:
            put(self.pending.pop(0), lambda folder: self.inodes[folder].durable_names)

    # States.

    def unsynced(self):
        """Whether a crash now could leave more than one state."""
        return bool(self.pending) or any(inode.pending for inode in self.inodes)

    def crash(self, chance):
        """One of the states that a crash may leave: paths with bytes, links with their target, folders with none."""
        changes = getattr(self, chance.choice(["journal", "loose", "split"]))(chance)
        names = {}

        def names_of(folder):
            if folder not in names:
                names[folder] = dict(self.inodes[folder].durable_names)
            return names[folder]

        for change in changes:
            put(change, names_of)
        state, contents = {}, {}
        self.gather(self.top, "", names_of, contents, chance, state)
        for path, inode in self.devices.items():
            state[path] = ("device", inode.torn(chance), 0)
        return state

    def gather(self, folder, path, names_of, contents, chance, state):
        for name, inode in sorted(names_of(folder.number).items()):
            at = f"{path}{name}"
            if inode.kind == "folder":
                state[at] = ("folder", b"", 0)
                self.gather(inode, at + "/", names_of, contents, chance, state)
            elif inode.kind == "link":
                state[at] = ("link", inode.target.encode(), 0)
            elif not name.endswith(SHARED_MEMORY):
                if inode.number not in contents:
                    contents[inode.number] = inode.torn(chance)
                state[at] = ("file", contents[inode.number], inode.mode)

    def journal(self, chance):
        least = max((number + 1 for number, change in enumerate(self.pending) if change.is_durable), default=0)
        return self.pending[: chance.randint(least, len(self.pending))]

    def loose(self, chance):
        return chosen(self.pending, chance)

    def split(self, chance):
        return chosen([half for change in self.pending for half in change.halves()], chance)


def put(change, names_of):
    for (folder, name), inode in change.changes.items():
        if inode is None:
            names_of(folder).pop(name, None)
        else:
            names_of(folder)[name] = inode


def chosen(changes, chance):
    """Changes that are durable, others by chance, and those before them that have a name in common with one."""
    likely = chance.choice([0.0, 0.2, 0.5, 0.8])
    taken, keys = [], set()
    for change in reversed(changes):
        if change.is_durable or chance.random() < likely or keys & change.changes.keys():
            taken.append(change)
            keys |= change.changes.keys()
    return taken[::-1]
