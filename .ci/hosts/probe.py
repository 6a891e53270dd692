"""Asks a server what clients of packs and indexes want to know; each answer is a word or two, for the page's table."""

import http.client
import os
import time

PACK = "probe/a.pack"
INDEX = "probe/a.rgx"
# For caches, which look at sizes.
LARGE, SECOND = "probe/b.pack", "probe/c.pack"
LARGE_BYTES = 4 << 20
PACK_BYTES = 100_000
SECONDS = 60
# Long ago, so that no server holds the file for one that may still change within the second.
MODIFIED = 1_700_000_000


def prepare(root):
    (root / "probe").mkdir()
    (root / PACK).write_bytes(os.urandom(PACK_BYTES))
    (root / INDEX).write_bytes(b"an index that compresses well. " * 400)
    for name in (LARGE, SECOND):
        (root / name).write_bytes(os.urandom(LARGE_BYTES))
    for name in (PACK, INDEX, LARGE, SECOND):
        os.utime(root / name, (MODIFIED, MODIFIED))


class Host:
    """A server, by its port, and the path of what it serves."""

    def __init__(self, port, prefix=""):
        self.port, self.prefix = port, prefix

    def get(self, name, **headers):
        """Status, headers, body; a connection that breaks is status 0, and a body that does is cut."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        try:
            sent = {key.replace("_", "-"): value for key, value in headers.items()}
            connection.request("GET", f"{self.prefix}/{name}", headers=sent)
            answer = connection.getresponse()
            try:
                body = answer.read()
            except http.client.IncompleteRead as cut:
                body = cut.partial
            return answer.status, answer.headers, body
        except (OSError, http.client.HTTPException):
            return 0, {}, b""
        finally:
            connection.close()


def _part(host, asked, start, end, whole):
    """What a range brings: `206` where it is right, the status and what is wrong otherwise."""
    status, headers, body = host.get(PACK, Range=asked)
    if status == 206:
        said = headers.get("Content-Range")
        if said == f"bytes {start}-{end - 1}/{PACK_BYTES}" and body == whole[start:end]:
            return "206"
        return "first bytes" if start and body and body == whole[: len(body)] else "206, wrong"
    if status == 200 and body != whole:
        return "200, wrong"
    return str(status) if status else "closes"


def ranges(host, whole):
    size = PACK_BYTES
    return {
        "range": _part(host, "bytes=1000-1999", 1000, 2000, whole),
        "suffix": _part(host, "bytes=-500", size - 500, size, whole),
        "ends past": _part(host, f"bytes={size - 10}-{size + 99}", size - 10, size, whole),
        "begins past": _part(host, f"bytes={size + 10}-{size + 99}", size, size, whole),
    }


def form_of_tag(tag):
    return "none" if not tag else "weak" if tag.startswith("W/") else "strong" if tag.startswith('"') else "no quotes"


def revalidation(host):
    """The tag's form, and by what an unchanged index is answered with 304."""
    _, headers, _ = host.get(INDEX)
    tag, time_of = headers.get("ETag"), headers.get("Last-Modified")
    by_tag = tag and host.get(INDEX, If_None_Match=tag)[0] == 304
    by_time = time_of and host.get(INDEX, If_Modified_Since=time_of)[0] == 304
    words = [word for word, is_so in (("tag", by_tag), ("time", by_time)) if is_so]
    return {"tag": form_of_tag(tag), "304 by": ", ".join(words) or "–"}


def _replace(root, name, data):
    # The inode is another one each time, as when a file is published by a rename.
    (root / (name + ".new")).write_bytes(data)
    os.utime(root / (name + ".new"), (MODIFIED, MODIFIED))
    os.replace(root / (name + ".new"), root / name)


def replaced(host, root, name):
    """Whether a new index of equal size and time is seen by one who asks with the old one's tag, or time."""
    _replace(root, name, b"old " * 500)
    _, headers, first = host.get(name)
    tag, time_of = headers.get("ETag"), headers.get("Last-Modified")
    _replace(root, name, b"new " * 500)
    asked = {"If_None_Match": tag} if tag else {"If_Modified_Since": time_of} if time_of else {}
    status, _, second = host.get(name, **asked)
    # A server's own memory of a file may last for a second or two, which is no matter here.
    if status == 304 or second == first:
        time.sleep(2.5)
        status, _, second = host.get(name, **asked)
    return {"same size and time": "not seen" if status == 304 or second == first else "seen"}


def kinds(host):
    """Content types, and whether bytes are compressed for those that take gzip."""
    _, index, _ = host.get(INDEX, Accept_Encoding="gzip")
    _, pack, _ = host.get(PACK, Accept_Encoding="gzip")
    packed = [end for end, headers in ((".rgx", index), (".pack", pack)) if headers.get("Content-Encoding")]
    status, partly, _ = host.get(PACK, Accept_Encoding="gzip", Range="bytes=1000-1999")
    kind = {end: (headers.get("Content-Type") or "none") for end, headers in ((".rgx", index), (".pack", pack))}
    types = ", ".join(sorted(set(kind.values()), key=list(kind.values()).index))
    # A range of such an answer is either one of the compressed bytes, or no range at all.
    ranged = [f"ranges: {status}"] if partly.get("Content-Encoding") else []
    return {"type": types, "compresses": ", ".join(packed + ranged) or "–"}


def all_of(host, root, name):
    whole = (root / PACK).read_bytes()
    seen = {**ranges(host, whole), **revalidation(host), **kinds(host)}
    seen["absent"] = str(host.get("probe/absent.pack")[0])
    return {**seen, **(replaced(host, root, name) if root and name else {"same size and time": "–"})}
