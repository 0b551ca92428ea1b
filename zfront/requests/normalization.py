"""Heads of requests and the lines of chunked bodies, put as Tornado reads them: it takes fewer forms than
HTTP has.

Owns: which forms are put how. Must not know: sockets, what a request asks for.
"""

from __future__ import annotations

import re
from typing import Final

from zfront.transports.chunks import asks_to_close

_EXPECTS: Final = re.compile(rb"^expect:[ \t]*100-continue[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_CONNECTION: Final = re.compile(rb"^connection:([^\n]*)\n", re.IGNORECASE | re.MULTILINE)


def as_tornado_reads(head: bytes) -> bytes:
    """The same head: an expectation in small letters (RFC 9110, 10.1.1), `close` alone (9.6 of RFC 9112)."""
    head = _EXPECTS.sub(b"Expect: 100-continue\r", head)
    said = b",".join(_CONNECTION.findall(head)).decode("latin-1").replace("\r", "")
    if "," in said and asks_to_close(said) and "upgrade" not in said.lower():
        head = _CONNECTION.sub(b"", head)
        line_end = (
            head.find(b"\n", len(head) - len(head.lstrip(b"\r\n"))) + 1
        )  # empty lines may come before it
        head = head[:line_end] + b"Connection: close\r\n" + head[line_end:]
    return head


def chunk_size(line: bytes) -> bytes:
    """The first line of a chunk without its extensions, which mean nothing here (RFC 9112, section 7.1.1)."""
    return line.partition(b";")[0].strip(b" \t\r\n") + b"\r\n"
