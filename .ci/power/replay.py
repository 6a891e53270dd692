"""Feeds the calls of a process to the model of a file system."""

import posixpath
from dataclasses import dataclass

from model import SHARED_MEMORY
from record import UnknownCall, descriptor, text

ELSEWHERE = ("pipe:", "socket:", "anon_inode:", "/dev/", "/proc/")


@dataclass
class OpenFile:
    """What descriptors that were duplicated share."""

    inode: object
    path: str
    appends: bool
    at: int = 0


class Replay:
    """Takes one call after the other."""

    def __init__(self, file_system, cwd):
        self.fs, self.fs.cwd = file_system, cwd
        self.open_files = {}

    def take(self, call):
        """Whether the call changed something, or made it durable."""
        handler = getattr(self, "on_" + call.name, None)
        return bool(handler and handler(call, *call.args))

    # Which file is it?

    def file(self, token):
        """The open file of a descriptor; none where it is not below the root."""
        number, path = descriptor(token)
        return self.open_files.get(number)

    def place(self, path_token, folder_token=None, follow=True):
        base = None
        if folder_token is not None:
            number, shown = descriptor(folder_token)
            base = self.open_files[number].path if number in self.open_files else shown
        return self.fs.locate(text(path_token).decode(), base, follow), posixpath.join(
            base or self.fs.cwd, text(path_token).decode()
        )

    # Descriptors.

    def on_openat(self, call, folder, path, flags, *_):
        self.open_files.pop(call.result, None)
        if "O_TMPFILE" in flags:
            if self.place(path, folder)[0]:
                self.open_files[call.result] = OpenFile(self.fs.new("file"), "", False)
            return False
        found, full = self.place(path, folder, "O_NOFOLLOW" not in flags)
        if found is None:
            if "O_CREAT" in flags and not full.startswith(ELSEWHERE):
                raise UnknownCall(f"{full}: opened for writing outside of the root")
            return False
        parent, name, inode = found
        changed = False
        if inode is None:
            if "O_CREAT" not in flags:
                raise UnknownCall(f"{full}: opened, and not in the model")
            inode = self.fs.new("file")
            self.fs.change_names(call, {(parent.number, name): inode})
            changed = True
        if "O_TRUNC" in flags and inode.content:
            inode.resize(call.ended, 0)
            changed = True
        self.open_files[call.result] = OpenFile(inode, posixpath.normpath(full), "O_APPEND" in flags)
        return changed

    def on_openat2(self, call, folder, path, how, *rest):
        return self.on_openat(call, folder, path, how, *rest)

    def on_open(self, call, path, flags, *_):
        return self.on_openat(call, "AT_FDCWD", path, flags)

    def on_creat(self, call, path, *_):
        return self.on_openat(call, "AT_FDCWD", path, "O_CREAT|O_TRUNC")

    def on_close(self, call, file):
        self.open_files.pop(descriptor(file)[0], None)

    def on_dup(self, call, file, *_):
        self.open_files.pop(call.result, None)
        if self.file(file):
            self.open_files[call.result] = self.file(file)

    on_dup2 = on_dup3 = on_dup

    def on_fcntl(self, call, file, command, *_):
        if "F_DUPFD" in command:
            self.on_dup(call, file)

    def on_close_range(self, call, *_):
        raise UnknownCall("close_range")

    def on_chdir(self, call, path):
        self.fs.cwd = posixpath.normpath(posixpath.join(self.fs.cwd, text(path).decode()))

    def on_fchdir(self, call, file):
        self.fs.cwd = descriptor(file)[1]

    # Bytes.

    def on_read(self, call, file, *_):
        if self.file(file):
            self.file(file).at += call.result

    on_readv = on_read

    def on_lseek(self, call, file, *_):
        if self.file(file):
            self.file(file).at = call.result

    def on_write(self, call, file, data, *_):
        file = self.file(file)
        if file is None:
            return False
        at = len(file.inode.content) if file.appends else file.at
        file.inode.write(call.ended, at, text(data)[: call.result])
        file.at = at + call.result
        return True

    def on_writev(self, call, file, parts, *_):
        return self.on_write(call, file, joined(parts))

    def on_pwrite64(self, call, file, data, _, at):
        file = self.file(file)
        if file is None:
            return False
        file.inode.write(call.ended, int(at), text(data)[: call.result])
        return True

    def on_pwritev(self, call, file, parts, _, at, *rest):
        return self.on_pwrite64(call, file, joined(parts), None, at)

    on_pwritev2 = on_pwritev

    def on_ftruncate(self, call, file, length):
        file = self.file(file)
        if file is None:
            return False
        file.inode.resize(call.ended, int(length))
        return True

    def on_truncate(self, call, path, length):
        (found, _) = self.place(path)
        if found is None:
            return False
        found[2].resize(call.ended, int(length))
        return True

    def on_fallocate(self, call, file, mode, at, length):
        file = self.file(file)
        if file is None:
            return False
        if "FALLOC_FL_PUNCH_HOLE" in mode and "FALLOC_FL_KEEP_SIZE" in mode:
            end = min(len(file.inode.content), int(at) + int(length))
            if call.result == 0 and end > int(at):
                file.inode.write(call.ended, int(at), bytes(end - int(at)))
            return True
        if mode.strip() != "0":
            raise UnknownCall(f"fallocate with {mode}")
        file.inode.resize(call.ended, max(len(file.inode.content), int(at) + int(length)))
        return True

    def on_copy_file_range(self, call, source, source_at, target, target_at, *_):
        source, target = self.file(source), self.file(target)
        if target is None:
            return False
        if source is None:
            raise UnknownCall("copy_file_range from outside of the root")
        places = []
        for file, given in ((source, source_at), (target, target_at)):
            if given.strip() == "NULL":
                places.append(file.at)
                file.at += call.result
            else:
                places.append(int(given.strip().strip("[]").split()[0]))
        data = bytes(source.inode.content[places[0] : places[0] + call.result])
        target.inode.write(call.ended, places[1], data)
        return True

    def on_sendfile(self, call, target, source, at, *_):
        return self.on_copy_file_range(call, source, at, target, "NULL")

    def on_mmap(self, call, _, length, protection, flags, file, *__):
        if "MAP_SHARED" in flags and "PROT_WRITE" in protection and self.file(file):
            if not self.file(file).path.endswith(SHARED_MEMORY):
                raise UnknownCall(f"{self.file(file).path}: written through memory")

    def on_ioctl(self, call, file, request, *_):
        if "FICLONE" in request and self.file(file):
            raise UnknownCall(request)

    def on_fsync(self, call, file):
        file = self.file(file)
        if file is None:
            return False
        self.fs.sync(file.inode, call)
        return True

    on_fdatasync = on_fsync

    # Names.

    def on_renameat2(self, call, old_folder, old, new_folder, new, flags="0"):
        if "EXCHANGE" in flags:
            raise UnknownCall("an exchange of names")
        (source, _), (target, _) = self.place(old, old_folder, False), self.place(new, new_folder, False)
        if source is None and target is None:
            return False
        if source is None or target is None:
            raise UnknownCall("a rename from or to the outside of the root")
        if source[2] is not target[2]:
            changes = {(source[0].number, source[1]): None, (target[0].number, target[1]): source[2]}
            self.fs.change_names(call, changes)
        return True

    on_renameat = on_renameat2

    def on_rename(self, call, old, new):
        return self.on_renameat2(call, "AT_FDCWD", old, "AT_FDCWD", new)

    def on_linkat(self, call, old_folder, old, new_folder, new, flags="0"):
        target, _ = self.place(new, new_folder, False)
        if target is None:
            return False
        source = self.linked(old_folder, old)
        self.fs.change_names(call, {(target[0].number, target[1]): source})
        return True

    def linked(self, folder, path):
        shown = text(path).decode()
        if shown.startswith("/proc/self/fd/"):
            return self.open_files[int(shown.rpartition("/")[2])].inode
        if not shown:
            return self.open_files[descriptor(folder)[0]].inode
        return self.place(path, folder, False)[0][2]

    def on_link(self, call, old, new):
        return self.on_linkat(call, "AT_FDCWD", old, "AT_FDCWD", new)

    def on_unlinkat(self, call, folder, path, *_):
        found, _ = self.place(path, folder, False)
        if found is None:
            return False
        self.fs.change_names(call, {(found[0].number, found[1]): None})
        return True

    def on_unlink(self, call, path):
        return self.on_unlinkat(call, "AT_FDCWD", path)

    on_rmdir = on_unlink

    def on_mkdirat(self, call, folder, path, *_):
        found, _ = self.place(path, folder, False)
        if found is None:
            return False
        self.fs.change_names(call, {(found[0].number, found[1]): self.fs.new("folder")})
        return True

    def on_mkdir(self, call, path, *_):
        return self.on_mkdirat(call, "AT_FDCWD", path)

    def on_symlinkat(self, call, target, folder, path):
        found, _ = self.place(path, folder, False)
        if found is None:
            return False
        link = self.fs.new("link", target=text(target).decode())
        self.fs.change_names(call, {(found[0].number, found[1]): link})
        return True

    def on_symlink(self, call, target, path):
        return self.on_symlinkat(call, target, "AT_FDCWD", path)

    def on_fchmod(self, call, file, mode):
        if self.file(file):
            self.file(file).inode.mode = int(mode, 8)

    def on_fchmodat(self, call, folder, path, mode, *_):
        found, _ = self.place(path, folder)
        if found:
            found[2].mode = int(mode, 8)

    def on_chmod(self, call, path, mode):
        self.on_fchmodat(call, "AT_FDCWD", path, mode)


def joined(parts):
    """The bytes of an array of iovec, as one string of the log."""
    pieces = parts.split("iov_base=")[1:]
    return '"' + "".join(piece.split('"')[1] for piece in pieces) + '"'
