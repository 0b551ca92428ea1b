"""What is said to a request that is not admitted.

Owns: those answers. Must not know: why.
"""

from __future__ import annotations

from typing import Final

from zfront.requests.token_places import NotAdmittedError
from zfront.transports.security_headers import CHALLENGE, LINES

_REASONS: Final = {400: b"Bad Request", 401: b"Unauthorized", 403: b"Forbidden"}


def answer(error: NotAdmittedError, lines: bytes) -> bytes:
    """The whole answer; `lines` are more of its head. The connection ends with it."""
    if error.status == 401:
        lines += b"WWW-Authenticate: %b\r\n" % CHALLENGE.encode()
    body = error.text.encode() + b"\n"
    return (
        b"HTTP/1.1 %d %b\r\n%bContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\n"
        b"Connection: close\r\n%bContent-Length: %d\r\n\r\n%b"
        % (error.status, _REASONS[error.status], lines, LINES, len(body), body)
    )
