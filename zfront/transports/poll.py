"""Long poll: each answer is a JSON object with all that has come; the next one is asked for with its offset.

Owns: the bytes of an answer. Must not know: sockets.
"""

from __future__ import annotations

from typing import Final

from zfront.transports import objects
from zfront.transports.security_headers import CHALLENGE, LINES

__all__ = ["PATH", "TYPE", "answer", "expired", "gap", "message", "nothing"]

PATH: Final = "/poll/"
TYPE: Final = "application/json"


def message(an_id: bytes, message: bytes, offset: bytes) -> bytes:
    """One element of an answer."""
    return objects.message(an_id, message, offset) + b","


def gap(why: str, offset: bytes) -> bytes:
    """One element of an answer."""
    return objects.gap(why, offset) + b","


def answer(elements: bytes | bytearray, offset: bytes) -> bytes:
    """A whole answer; its tag is what to ask the next one with (RFC 9110, section 8.8.3)."""
    body = b'{"offset":"%b","messages":[%b]}\n' % (offset, bytes(elements[:-1]))
    return (
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: %d\r\n"
        b'ETag: "%b"\r\n'
        b"Cache-Control: no-cache\r\n%b\r\n%b" % (len(body), offset, LINES, body)
    )


def nothing(offset: bytes) -> bytes:
    """The answer when nothing came in time; without an offset the client is where it was."""
    tag = b'ETag: "%b"\r\n' % offset if offset else b""
    return b"HTTP/1.1 204 No Content\r\n%bCache-Control: no-cache\r\n\r\n" % tag


def expired() -> bytes:
    """The answer when its token is not good any more."""
    body = objects.EXPIRED + b"\n"
    return (
        b"HTTP/1.1 401 Unauthorized\r\n"
        b"Content-Type: application/json\r\n"
        b"Content-Length: %d\r\n"
        b"WWW-Authenticate: %b\r\n"
        b"Cache-Control: no-store\r\n%b\r\n%b" % (len(body), CHALLENGE.encode(), LINES, body)
    )
