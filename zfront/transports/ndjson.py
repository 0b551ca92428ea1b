"""A stream of JSON objects, one a line, for programs: curl, phones, other servers.

Owns: the bytes of a line. Must not know: sockets.
"""

from __future__ import annotations

from typing import Final

from zfront.transports import objects
from zfront.transports.chunks import LAST, chunk, head
from zfront.transports.interface import NO_TOKEN

__all__ = ["ALIVE", "HEAD", "PATH", "TYPE", "expiring", "gap", "last", "message", "opened", "presence"]

PATH: Final = "/stream/"
TYPE: Final = "application/x-ndjson"
HEAD: Final = head(TYPE)
ALIVE: Final = chunk(b"\n")


def opened(offset: bytes) -> bytes:
    """The first line."""
    return chunk(objects.opened(offset) + b"\n")


def message(an_id: bytes, message: bytes, offset: bytes) -> bytes:
    """One line."""
    return chunk(objects.message(an_id, message, offset) + b"\n")


def gap(why: str, offset: bytes) -> bytes:
    """One line."""
    return chunk(objects.gap(why, offset) + b"\n")


def presence(an_id: bytes, connections: int) -> bytes:
    """One line."""
    return chunk(objects.presence(an_id, connections) + b"\n")


def expiring(ends_in_s: int) -> bytes:
    """One line."""
    return chunk(objects.expiring(ends_in_s) + b"\n")


def last(why: str) -> bytes:
    """The end of the answer, with a line before it where the client has to do something."""
    return (chunk(objects.EXPIRED + b"\n") if why in NO_TOKEN else b"") + LAST
