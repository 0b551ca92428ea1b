"""What a client is told when there is no place for it.

Owns: those answers. Must not know: when that is.

A browser's EventSource that gets an error never comes back (WHATWG's HTML standard, 9.2.3: the connection is
failed); one whose stream ends comes back after `retry` milliseconds. So that is what it gets.
"""

from __future__ import annotations

from random import Random
from typing import Final

from zfront.requests.stream_request import StreamRequest
from zfront.transports import SSE

RETRY_AFTER_S: Final = 5
RETRY_MS: Final = (5000, 15000)
_ANSWER: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n%bRetry-After: %d\r\n"
    b"Connection: close\r\nContent-Length: 5\r\n\r\nfull\n"
)
_EVENTS: Final = (
    b"HTTP/1.1 200 OK\r\n%bContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%b"
)


def is_event_source(stream_request: StreamRequest, accept: str) -> bool:
    """Whether it is one, by what it accepts: EventSource says so (9.2.2), other clients rarely do."""
    return stream_request.kind == SSE and "text/event-stream" in accept.lower()


def retry(random: Random) -> bytes:
    """A stream that says no more than when to come back: not all at once."""
    return b"retry: %d\n\n" % random.randint(*RETRY_MS)


def answer(lines: bytes) -> bytes:
    """`lines` are more of the head."""
    return _ANSWER % (lines, RETRY_AFTER_S)


def events(lines: bytes, random: Random) -> bytes:
    """The same for an EventSource."""
    body = retry(random)
    return _EVENTS % (lines, len(body), body)
