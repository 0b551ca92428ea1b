"""Chunks of a body of HTTP/1.1 whose length is not known before (RFC 9112, section 7.1)."""

from __future__ import annotations

from typing import Final

from zfront.transports.security_headers import LINES

# Says that the connection ends with this answer, where the request asked for that (RFC 9112, section 9.6).
CLOSE: Final = b"Connection: close\r\n"
LAST: Final = b"0\r\n\r\n"


def head(content_type: str) -> bytes:
    """The head of an answer that is a stream, for whatever stands between us and the client, too."""
    return (
        b"HTTP/1.1 200 OK\r\n"
        b"Content-Type: %b\r\n"
        b"Transfer-Encoding: chunked\r\n"
        b"Cache-Control: no-cache\r\n"
        b"X-Accel-Buffering: no\r\n"
        b"%b\r\n" % (content_type.encode(), LINES)
    )


def asks_to_close(connection: str) -> bool:
    """Whether a Connection header (several: with commas between) has the option close (RFC 9110, 7.6.1)."""
    return "close" in [option.strip(" \t").lower() for option in connection.split(",")]


def with_headers(answer: bytes, lines: bytes) -> bytes:
    """The same answer with more lines in its head."""
    return answer.replace(b"\r\n\r\n", b"\r\n" + lines + b"\r\n", 1) if lines else answer


def chunk(data: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
