"""Server-Sent Events, as the WHATWG's HTML standard has them (section 9.2): EventSource is all a page needs.

Owns: the bytes of an event. Must not know: sockets.
"""

from __future__ import annotations

import base64
import re
from typing import Final

from zfront.transports import objects
from zfront.transports.chunks import LAST, chunk, head
from zfront.transports.interface import NO_TOKEN

__all__ = [
    "ALIVE",
    "HEAD",
    "PATH",
    "TYPE",
    "expiring",
    "gap",
    "last",
    "message",
    "opened",
    "presence",
    "retry",
]

PATH: Final = "/sse/"
TYPE: Final = "text/event-stream"
HEAD: Final = head(TYPE)
ALIVE: Final = chunk(b":\n\n")
_LINE_ENDS: Final = re.compile(rb"\r\n|\r|\n")


def retry(delay_ms: int) -> bytes:
    """How long EventSource is to wait before it comes back."""
    return chunk(b"retry: %d\n\n" % delay_ms)


def opened(offset: bytes) -> bytes:
    """An id without data is remembered and makes no event."""
    return chunk(b"id: %b\n\n" % offset)


def message(an_id: bytes, message: bytes, offset: bytes) -> bytes:
    """An event; one of type "binary" with the message in base64 if that is not UTF-8."""
    if not message.isascii() and not _is_text(message):
        return chunk(b"id: %b\nevent: binary\ndata: %b\n\n" % (offset, base64.b64encode(message)))
    if b"\n" in message or b"\r" in message:
        message = b"\ndata: ".join(_LINE_ENDS.split(message))
    return chunk(b"id: %b\ndata: %b\n\n" % (offset, message))


def gap(why: str, offset: bytes) -> bytes:
    """An event of type "gap"; its data is the reason."""
    return chunk(b"id: %b\nevent: gap\ndata: %b\n\n" % (offset, why.encode()))


def presence(an_id: bytes, connections: int) -> bytes:
    """An event of type "presence" without an id, which so leaves the last one standing; its data is JSON."""
    return chunk(b"event: presence\ndata: %b\n\n" % objects.presence(an_id, connections))


def expiring(ends_in_s: int) -> bytes:
    """An event of type "expiring" without an id; its data is JSON."""
    return chunk(b"event: expiring\ndata: %b\n\n" % objects.expiring(ends_in_s))


def last(why: str) -> bytes:
    """The end of the answer, with an event before it where the client has to do something."""
    return (chunk(b"event: expired\ndata: %b\n\n" % objects.EXPIRED) if why in NO_TOKEN else b"") + LAST


def _is_text(message: bytes) -> bool:
    try:
        message.decode()
    except UnicodeDecodeError:
        return False
    return True
