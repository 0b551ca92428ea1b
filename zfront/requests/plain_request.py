"""Plain requests for a single send, read from bytes: one whole `POST /api/send/<id>` after another.

Owns: where a request ends, whether it is of the common form. Must not know: sockets, what becomes of it. A
request that is not plain is not wrong: Tornado reads it.
"""

from __future__ import annotations

import re
from typing import Final

import httptools

from zfront.requests.credentials import FORWARDED_BYTES, KEY_MARK, Credentials
from zfront.transports.chunks import asks_to_close

PATH: Final = "/api/send/"
PLAINLY_SENDS: Final = b"POST " + PATH.encode()
HEAD_BYTES: Final = 8192
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,9})[ \t]*\r\n", re.IGNORECASE).search
_EXPECTS: Final = re.compile(rb"\r\nexpect:", re.IGNORECASE).search
# HTTP/1.1 wants one host that can be one (RFC 9112, section 3.2); Tornado knows the rarer forms.
PLAIN_HOST: Final = re.compile(rb"[A-Za-z0-9.-]+(:[0-9]+)?").fullmatch
_KEY_MARK: Final = KEY_MARK.encode()


# The request line as RFC 9112, section 3, has it: one space before the version. Parsers are lenient here,
# each in its own way.
_LINE: Final = re.compile(rb"[A-Z]+ [^ \t\r\n#]+ HTTP/1\.1\r\n").match


def is_plain_head(data: bytes) -> bool:
    """Whether the lines of this head, or what there is of it, are of the form that all parsers read alike."""
    line_feeds = data.count(b"\n")
    return (_LINE(data) is not None or not line_feeds) and data.count(b"\r\n") == line_feeds


class PlainRequest:
    """What httptools says of one request."""

    __slots__ = (
        "authorization",
        "body",
        "hosts",
        "is_complete",
        "is_forwarded",
        "is_last",
        "is_plain",
        "key",
        "lengths",
        "origin",
        "url",
    )

    def __init__(self) -> None:
        self.url = self.body = self.authorization = self.origin = b""
        self.key: bytes | None = None
        self.hosts: list[bytes] = []
        self.lengths = 0
        self.is_complete = self.is_forwarded = self.is_last = False
        self.is_plain = True

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host":
            self.hosts.append(value)
        elif name == b"content-length":
            self.lengths += 1
        elif name == b"authorization":
            self.is_plain &= not self.authorization
            self.authorization = value
        elif name == b"origin":
            self.is_plain &= not self.origin
            self.origin = value
        elif name == b"idempotency-key":
            self.is_plain &= self.key is None
            self.key = value
        elif name == b"connection":
            self.is_last = self.is_last or asks_to_close(value.decode("latin-1"))
        elif name in (b"transfer-encoding", b"content-encoding", b"expect", b"upgrade"):
            self.is_plain = False
        elif name in FORWARDED_BYTES:
            self.is_forwarded = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_plain &= not self.is_complete
        self.is_complete = True

    def is_plainly_ours(self) -> bool:
        """Whether it is all that the bytes were, and of the common form."""
        is_one = self.is_plain and self.is_complete and self.lengths == 1 and len(self.hosts) == 1
        return is_one and self.url.startswith(PATH.encode()) and PLAIN_HOST(self.hosts[0]) is not None

    def credentials(self) -> Credentials:
        """As api/authorization.py wants them."""
        return Credentials(
            self.authorization.decode("latin-1"),
            self.origin.decode("latin-1"),
            self.hosts[0].decode("latin-1"),
            self.is_forwarded,
            _KEY_MARK in self.url.partition(b"?")[2],
        )


def whole(data: bytes, max_message: int) -> int:
    """How long the first request is; 0 = more of it is to come, -1 = it is not plain."""
    if not data.startswith(PLAINLY_SENDS[: len(data)]):
        return -1
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
    if not is_plain_head(data[: end + 4] if end >= 0 else data):
        return -1
    if end < 0:
        return 0 if len(data) < HEAD_BYTES else -1
    length = _LENGTH(data, 0, end + 2)
    if length is None or int(length[1]) > max_message:
        return -1
    size = end + 4 + int(length[1])
    if len(data) >= size:
        return size
    return 0 if _EXPECTS(data, 0, end + 2) is None else -1


def head(data: bytes) -> PlainRequest | None:
    """The request whose head these bytes begin with; None if that is not plain, or not whole yet.

    So who asks is known before the body has come.
    """
    end = data.find(b"\r\n\r\n", 0, HEAD_BYTES)
    request = PlainRequest()
    try:
        httptools.HttpRequestParser(request).feed_data(data[: end + 4] if end >= 0 else b"")
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    return request if end >= 0 and request.is_plain and len(request.hosts) == 1 else None


def read(data: bytes) -> PlainRequest | None:
    """The request that these bytes are; None if they are not plainly one."""
    request = PlainRequest()
    parser = httptools.HttpRequestParser(request)
    try:
        parser.feed_data(data)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    return request if request.is_plainly_ours() and parser.get_http_version() == "1.1" else None
