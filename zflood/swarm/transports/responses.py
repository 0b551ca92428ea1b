"""HTTP responses that go on and on: their framing by httptools, many connections with few parsers.

Owns: requests, the parsers, which connections need one of their own. Must not know: what a message is.

A connection has a parser of its own only while something is unfinished. At rest, all chunked responses are in
the same state, so one parser serves them all: 10,000 idle connections have one parser. The same holds for all
responses whose body goes on until the connection ends.
"""

from __future__ import annotations

from typing import ClassVar, Final

import httptools

from zflood.swarm.tally import Progress, Tally
from zflood.swarm.transports.interface import HELD_MAX_BYTES, Answered, Cut, Ended

_CHUNKED_HEAD: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_UNFRAMED_HEAD: Final = b"HTTP/1.1 200 OK\r\n\r\n"


def get(host: str, path: str, *headers: str) -> bytes:
    """A GET request."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {host}", *headers, "", "")
    return "\r\n".join(lines).encode()


class Response:
    """One parser, which calls back here, and the response and connection that it reads for.

    A transport's own kind of it says what a body means.
    """

    __slots__ = (
        "connection", "content_type", "fault", "held_bytes", "is_at_rest", "is_chunked", "is_done",
        "is_headed", "is_unframed", "parser", "responses",
    )  # fmt: skip

    def __init__(self, responses: Responses) -> None:
        self.responses = responses
        self.connection = -1
        self.content_type = b""
        self.fault = ""  # what is wrong with it; it ends the connection
        self.held_bytes = 0  # read since something was complete
        self.is_headed = False
        self.is_chunked = False
        self.is_unframed = True  # the body is all that comes until the connection ends
        self.is_at_rest = False  # in the state of all others that are at rest
        self.is_done = False
        self.parser = httptools.HttpResponseParser(self)

    def on_message_begin(self) -> None:
        if self.is_done:
            self.fault = "an answer that nobody asked for"

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"transfer-encoding":
            self.is_unframed = False
            self.is_chunked = value.lower() == b"chunked"
        elif name == b"content-length":
            self.is_unframed = False
        elif name == b"content-type":
            self.content_type = value

    def on_headers_complete(self) -> None:
        status = self.parser.get_status_code()
        if 100 <= status < 200 and status != 101:
            return  # the real one follows (RFC 9110, 15.2)
        if self.is_done:
            return  # it has a fault, and keeps it
        self.held_bytes = 0
        self.is_headed = True
        self.is_at_rest = self.is_chunked or self.is_unframed
        if self.connection >= 0:
            self.fault = f"status {status}" if status != 200 else self.responses.refusal(self)
            if not self.fault:
                self.responses.answered(self.connection)

    def on_chunk_header(self) -> None:
        self.is_at_rest = False

    def on_body(self, body: bytes) -> None:
        raise NotImplementedError

    def on_chunk_complete(self) -> None:
        raise NotImplementedError

    def on_message_complete(self) -> None:
        self.is_done = self.is_headed

    def on_end(self) -> None:
        """The body came to its end in order; a fault that only shows now can be set."""


class Responses:
    """Follows every connection of a process; see `zflood.swarm.transports.interface.Transport`."""

    is_answered_at_once: ClassVar[bool] = False  # some servers hold the head back until there is a body
    headers: ClassVar[tuple[str, ...]] = ()
    response: ClassVar[type[Response]]

    def __init__(self, tally: Tally, answered: Answered) -> None:
        self.tally = tally
        self.answered = answered
        self.progress = Progress(tally)
        self._own: dict[int, Response] = {}  # connections with something unfinished
        self._asked: set[int] = set()  # connections of which nothing has come
        self._unframed: set[int] = set()
        self._chunked_at_rest = self._after(_CHUNKED_HEAD)
        self._unframed_at_rest = self._after(_UNFRAMED_HEAD)

    def opened(self, connection: int, host: str, path: str, since: str = "") -> bytes:
        self.progress.begin(connection, since)
        self._asked.add(connection)
        # As EventSource says it (WHATWG HTML, 9.2.3).
        return get(host, path, *self.headers, *((f"Last-Event-ID: {since}",) if since else ()))

    def offset(self, connection: int) -> str:
        return self.progress.offset(connection)

    def feed(self, connection: int, data: bytes) -> bytes:
        response = self._own.pop(connection, None)
        if response is None:
            response = self._others(connection)
            response.connection = connection
        if not data:
            raise self._end_of_connection(response)
        try:
            response.parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._replace(response)
            raise Ended(response.fault or f"bad framing: {error}") from None
        if response.is_done or response.fault:
            self._replace(response)
            raise self._end(response)
        if response.is_at_rest:
            if response.is_unframed:
                self._unframed.add(connection)
                return b""
            # Nothing of a next chunk's size was in there, or the parser would have it and data end otherwise.
            if data.endswith(b"\n"):
                return b""
        self._keep(response, len(data))
        return b""

    def left(self, connection: int) -> None:
        self._own.pop(connection, None)
        self._asked.discard(connection)
        self._unframed.discard(connection)

    def refusal(self, response: Response) -> str:
        """What is wrong with this head, whose status is 200; nothing: empty."""
        return ""

    def _others(self, connection: int) -> Response:
        """For a connection that has none of its own."""
        if self._asked and connection in self._asked:
            self._asked.remove(connection)
            return self.response(self)
        return self._unframed_at_rest if connection in self._unframed else self._chunked_at_rest

    def _keep(self, response: Response, read_bytes: int) -> None:
        """It is in a state of its own now."""
        self._replace(response)
        self._own[response.connection] = response
        response.held_bytes += read_bytes
        if response.held_bytes > HELD_MAX_BYTES:
            raise Ended(f"more than {HELD_MAX_BYTES:,} bytes without an end")

    def _end_of_connection(self, response: Response) -> Ended:
        if not response.is_headed:
            return Cut("truncated head" if response.held_bytes else "closed without an answer")
        return self._end(response) if response.is_unframed else Cut("truncated response")

    def _end(self, response: Response) -> Ended:
        if not response.fault:
            self.tally.ended += response.is_done
            response.on_end()
        return Ended(response.fault)

    def _replace(self, response: Response) -> None:
        """The others may not share it any more."""
        if response is self._chunked_at_rest:
            self._chunked_at_rest = self._after(_CHUNKED_HEAD)
        elif response is self._unframed_at_rest:
            self._unframed_at_rest = self._after(_UNFRAMED_HEAD)

    def _after(self, head: bytes) -> Response:
        response = self.response(self)
        response.parser.feed_data(head)
        return response
