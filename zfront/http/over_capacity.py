"""What a client is told when there is no place for it.

Owns: those answers. Must not know: when that is.

A browser's EventSource that gets an error never comes back (WHATWG's HTML standard, 9.2.3: the connection is
failed); one whose stream ends comes back after `retry` milliseconds. So that is what it gets.
"""

from __future__ import annotations

from random import Random
from typing import Final

from zfront.connections.crowding import ADDRESS, ID
from zfront.requests.stream_request import StreamRequest
from zfront.transports import SSE

RETRY_AFTER_S: Final = 5
RETRY_MS: Final = (5000, 15000)
_ANSWER: Final = b"HTTP/1.1 %b\r\n%bRetry-After: %d\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b\n"
_FULL: Final = b"503 Service Unavailable"
_CROWDED: Final = b"429 Too Many Requests"  # RFC 6585, section 4
_WORDS: Final = {
    "": "full", ADDRESS: "this address has as many connections as it may",
    ID: "this id has as many connections as it may",
}  # fmt: skip
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


def words(crowded: str) -> str:
    """What is said to one more of an address or an id; `crowded` empty: there is no place for anybody."""
    return _WORDS[crowded]


def answer(lines: bytes, crowded: str = "") -> bytes:
    """`lines` are more of the head."""
    body = words(crowded).encode()
    status = _CROWDED if crowded else _FULL
    return _ANSWER % (status, lines, RETRY_AFTER_S, len(body) + 1, body)


def events(lines: bytes, random: Random) -> bytes:
    """The same for an EventSource."""
    body = retry(random)
    return _EVENTS % (lines, len(body), body)
