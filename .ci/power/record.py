"""Runs a command under strace, and turns the log into the calls that change files.

A call that changes a file and that the replayer does not know stops the recording: a state that it left out would make
the check say more than it knows.
"""

import re
import subprocess
from collections import namedtuple

# Calls that move or change what the model holds.
KNOWN = set(
    """open openat openat2 creat read readv pread64 preadv lseek write writev pwrite64 pwritev pwritev2 ftruncate truncate
    fallocate fsync fdatasync rename renameat renameat2 link linkat unlink unlinkat rmdir mkdir mkdirat symlink symlinkat
    close close_range dup dup2 dup3 fcntl chmod fchmod fchmodat copy_file_range sendfile mmap chdir fchdir ioctl""".split()
)
# Calls that change what no check looks at: owners, times, attributes.
HARMLESS = set(
    """chown fchown lchown fchownat utimensat utimes futimesat utime setxattr fsetxattr lsetxattr removexattr fremovexattr
    flock sync_file_range fadvise64 readahead""".split()
)
# Calls that change files in ways that the model has not.
UNKNOWN = set(
    """sync syncfs msync splice vmsplice tee io_uring_setup io_submit mknod mknodat mount umount2 swapon execveat
    process_vm_writev fork vfork name_to_handle_at open_by_handle_at""".split()
)

Call = namedtuple("Call", "name args result begun ended")
"""A call that succeeded. `begun` and `ended` are numbers of lines: a sync covers what ended before it began."""

LINE = re.compile(r"^(\d+) +(?:(\w+)\(|<\.\.\. (\w+) resumed>)(.*)$", re.S)
RESULT = re.compile(r"^(.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)(.*)$", re.S)
TOKEN = re.compile(r'"[^"]*"(?:\.\.\.)?|\[[^\]]*\]|\{[^}]*\}|[^,"\[{]+')
UNFINISHED = " <unfinished ...>"


class UnknownCall(Exception):
    """The log has something that cannot be replayed."""


def text(token):
    """The bytes of a string that strace printed with -xx."""
    token = token.strip()
    if token.endswith("..."):
        raise UnknownCall("a string of the log was cut: raise strace's -s")
    return bytes.fromhex(token.strip('"').replace("\\x", ""))


def descriptor(token):
    """Number and path of `3</path>`; AT_FDCWD is -100."""
    number, _, path = token.strip().partition("<")
    path = path.rstrip(">")
    if path.startswith("\\x"):
        path = bytes.fromhex(re.match(r"(?:\\x[0-9a-f]{2})*", path).group().replace("\\x", "")).decode()
    return (-100 if number == "AT_FDCWD" else int(number)), path


def parse(lines):
    """Yields the calls of a log that succeeded, in the order in which they ended."""
    begun = {}
    for number, line in enumerate(lines):
        match = LINE.match(line.rstrip("\n"))
        if not match:
            continue
        pid, name, resumed, rest = match.groups()
        start = number
        if resumed:
            name, (start, head) = resumed, begun.pop(pid)
            rest = head + rest
        if rest.endswith(UNFINISHED):
            begun[pid] = (start, rest[: -len(UNFINISHED)])
            continue
        result = RESULT.match(rest)
        if not result:
            raise UnknownCall(f"line {number + 1}: {line[:200]}")
        args, value, _ = result.groups()
        if value == "?" or value.startswith("-"):
            continue
        if name not in KNOWN | HARMLESS:
            raise UnknownCall(f"{name}({args[:200]})")
        if name in KNOWN:
            tokens = (token.strip() for token in TOKEN.findall(args))
            yield Call(name, [token for token in tokens if token], int(value, 0), start, number)


def order(call):
    """What came first where calls overlap: a descriptor is there at the end of a call, what a name needs at its beginning."""
    gives_descriptor = call.name.startswith(("open", "creat", "dup", "fcntl"))
    return call.ended if gives_descriptor else call.begun


def record(command, log, **options):
    """Runs a command under strace, and gives its calls. The command must succeed."""
    names = ",".join(sorted(KNOWN | HARMLESS | UNKNOWN))
    strace = ["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", f"trace={names}", "-e", "signal=none", "-o", log]
    done = subprocess.run([*strace, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    if done.returncode:
        raise SystemExit(f"{command[0]} {command[1]}: exit code {done.returncode}: {done.stderr.decode()}")
    with open(log, encoding="ascii", errors="backslashreplace") as lines:
        return sorted(parse(lines), key=order)
