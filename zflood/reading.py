"""What a client reads: the response's framing by httptools' parser, our numbered messages by us.

Owns: parsers, what is expected next on each connection, the tally of what came and what was wrong with it.
Must not know: how bytes are read, how many processes there are.

A connection has a parser of its own only while a chunk is unfinished. Between chunks every chunked response
is in the same state, so one parser serves them all: 10,000 idle connections have one parser.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from typing import Final

import httptools

from zflood.latency import Latencies

# The series' line (zfront/transports/chunked.py); chunks of other servers are only counted and timed.
_NUMBERED: Final = re.compile(rb"Recvd msg #(\d+): '(.*)'<br/>\n", re.DOTALL)
_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Tally:
    """What all connections of one process have seen."""

    def __init__(self) -> None:
        self.connected = 0  # answered with 200
        self.ended = 0  # responses that came to their last chunk
        self.chunks = 0
        self.errors: Counter[str] = Counter()
        self.latencies = Latencies()


class BadResponseError(Exception):
    """The connection is of no use any more; it is counted under this text."""


class _Stream:
    """One parser, which calls back here, and the connection that it reads for."""

    __slots__ = ("_body", "_reading", "connection", "is_between_chunks", "is_chunked", "is_done", "parser")

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._body = b""
        self.connection = -1
        self.is_chunked = False
        self.is_between_chunks = False
        self.is_done = False
        self.parser = httptools.HttpResponseParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"transfer-encoding" and value.lower() == b"chunked":
            self.is_chunked = True

    def on_headers_complete(self) -> None:
        self.is_between_chunks = self.is_chunked
        if self.connection >= 0:
            self._reading.answered(self.parser.get_status_code())

    def on_chunk_header(self) -> None:
        self.is_between_chunks = False

    def on_body(self, body: bytes) -> None:
        if not self.is_chunked:
            self._reading.chunk(self.connection, body)
        else:
            self._body = self._body + body if self._body else body

    def on_chunk_complete(self) -> None:
        self.is_between_chunks = True
        body, self._body = self._body, b""
        if body:
            self._reading.chunk(self.connection, body)

    def on_message_complete(self) -> None:
        self.is_done = True


class Reading:
    """Follows every connection of a process, by its descriptor."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._numbers = array("Q")  # our messages so far, by descriptor
        self._own: dict[int, _Stream] = {}  # connections with an unfinished head or chunk
        self._shared = self._between_chunks()

    def opened(self, connection: int) -> None:
        """A request was sent on this descriptor; its response comes next."""
        while connection >= len(self._numbers):
            self._numbers.extend([0] * 1024)
        self._numbers[connection] = 0
        self._own[connection] = stream = _Stream(self)
        stream.connection = connection

    def feed(self, connection: int, data: bytes) -> None:
        """What was read on it.

        Raises:
            BadResponseError: it broke HTTP's framing, or the response is over.
        """
        stream = self._own.pop(connection, None)
        if stream is None:
            stream = self._shared
            stream.connection = connection
        try:
            stream.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._replace(stream)
            raise BadResponseError(f"bad framing: {error}") from None
        if stream.is_done:
            self._replace(stream)
            self.tally.ended += 1
            raise BadResponseError("")
        # Nothing of a next chunk's size was in there, or the parser would have it and data end otherwise.
        if stream.is_between_chunks and data.endswith(b"\n"):
            return
        self._replace(stream)
        self._own[connection] = stream

    def left(self, connection: int) -> None:
        """That descriptor is no connection any more."""
        self._own.pop(connection, None)

    def answered(self, status: int) -> None:
        """The head of a response is complete."""
        if status == 200:
            self.tally.connected += 1
        else:
            self.tally.errors[f"status {status}"] += 1

    def chunk(self, connection: int, body: bytes) -> None:
        """One chunk came. The hot path."""
        tally = self.tally
        tally.chunks += 1
        numbered = _NUMBERED.match(body)
        if numbered is not None:
            expected = self._numbers[connection] = self._numbers[connection] + 1
            number = int(numbered[1])
            if number != expected:
                tally.errors["repeated message" if number < expected else "missing message"] += 1
                self._numbers[connection] = number
        tally.latencies.read(body)

    def _replace(self, stream: _Stream) -> None:
        if stream is self._shared:
            self._shared = self._between_chunks()

    def _between_chunks(self) -> _Stream:
        stream = _Stream(self)
        stream.parser.feed_data(_CHUNKED_HEAD)
        return stream
