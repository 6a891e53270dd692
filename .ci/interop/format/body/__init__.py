"""Coded bodies, written from docs/format/patch-body.md alone: `decode` makes a target from a base."""

from ..fields import need
from .mixed import Mixed
from .streams import decode_streams


def decode(body, base, length):
    """The target of this length, from a body and its base."""
    need(body[:1] in (b"\x01", b"\x02"), "body: an unknown coding")
    if not length:
        need(len(body) == 1, "body: bytes behind the end")
        return b""
    return Mixed(body[1:], base, length).decode() if body[0] == 1 else decode_streams(body[1:], base, length)
