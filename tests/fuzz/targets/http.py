"""The fast ways of HTTP against Tornado alone: what they take, Tornado reads alike.

Tornado's own HTTP1Connection and HTTPServerRequest read the same bytes from a stream without a socket. For
whatever a fast way takes, these have to come to the same method, path, query, headers and body, and to have
nothing left; a request that Tornado refuses, a fast way may not take.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Generator
from typing import Any, Final

from tornado.http1connection import HTTP1Connection, HTTP1ConnectionParameters
from tornado.httputil import (
    HTTPHeaders,
    HTTPMessageDelegate,
    HTTPServerRequest,
    RequestStartLine,
    ResponseStartLine,
)

from tests.fuzz.given import Given
from zfront.api import parameters
from zfront.api.problem import ProblemError
from zfront.http.acceptor import _plain_stream_request
from zfront.requests import plain_request
from zfront.requests.credentials import FORWARDED
from zfront.requests.hosts import ANY
from zfront.requests.normalization import as_tornado_reads, chunk_size
from zfront.requests.origins import Origins
from zfront.requests.stream_request import read_stream_request
from zfront.transports import WS, ws
from zfront.transports.chunks import CLOSE, asks_to_close

_ORIGINS: Final = Origins("https://a.example")
_MOST: Final = 100
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")  # Tornado's
_LOOP: Final = asyncio.new_event_loop()
logging.getLogger("tornado").setLevel(logging.CRITICAL)


class _EndError(Exception):
    """Tornado wants more than there is, or hangs up."""


class _Now:
    """Something to await that is there at once."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __await__(self) -> Generator[None, None, Any]:
        return self.value
        yield


class _Stream:
    """What HTTP1Connection asks of an IOStream, over bytes that are all there."""

    max_buffer_size = 1 << 20

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.is_closed = False

    def read_until_regex(self, regex: bytes, max_bytes: int | None = None) -> _Now:
        found = re.search(regex, self.data)
        if found is None or (max_bytes is not None and found.end() > max_bytes):
            raise _EndError
        return self._take(found.end())

    def read_until(self, delimiter: bytes, max_bytes: int | None = None) -> _Now:
        return self.read_until_regex(re.escape(delimiter), max_bytes)

    def read_bytes(self, num_bytes: int, partial: bool = False) -> _Now:
        if len(self.data) < num_bytes and not (partial and self.data):
            raise _EndError
        return self._take(min(num_bytes, len(self.data)))

    def _take(self, size: int) -> _Now:
        found, self.data = self.data[:size], self.data[size:]
        return _Now(found)

    def write(self, data: bytes) -> _Now:
        """A 100 (Continue), or a 400."""
        return _Now(None)

    def closed(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def set_close_callback(self, callback: Any) -> None:
        """Nobody closes it."""

    def set_nodelay(self, value: bool) -> None:
        """There is no delay."""


class _Seen(HTTPMessageDelegate):
    request: HTTPServerRequest | None = None
    is_whole = False

    def __init__(self, connection: HTTP1Connection) -> None:
        self.connection = connection
        self.body = b""

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> None:
        assert isinstance(start_line, RequestStartLine)
        self.request = HTTPServerRequest(start_line=start_line, headers=headers, connection=self.connection)

    def data_received(self, chunk: bytes) -> None:
        self.body += chunk

    def finish(self) -> None:
        self.is_whole = True
        # As an answer does; else Tornado waits for one.
        self.connection._write_finished = True


def tornado_reads(data: bytes) -> tuple[HTTPServerRequest, bytes, bytes, bool] | None:
    """The request, its body, what is left, whether the connection goes on; None if Tornado refuses it."""
    asyncio.set_event_loop(_LOOP)
    stream = _Stream(data)
    connection = HTTP1Connection(stream, False, HTTP1ConnectionParameters(max_body_size=1 << 20))  # type: ignore[arg-type]
    seen = _Seen(connection)
    steps = connection._read_message(seen)
    try:
        steps.send(None)
    except StopIteration:
        pass
    except _EndError:
        return None
    finally:
        steps.close()
    if seen.request is None or not seen.is_whole:
        return None
    return seen.request, seen.body, stream.data, not connection._disconnect_on_finish


def http_send(data: bytes) -> None:
    """`POST /api/send/<id>`, as zfront/http/send_fast_path.py has it."""
    size = plain_request.whole(data, _MOST)
    assert size <= len(data)
    if size <= 0:
        return
    request = plain_request.read(data[:size])
    if request is None:
        return
    found = tornado_reads(data)
    assert found is not None, "Tornado refuses it"
    other, body, rest, goes_on = found
    assert body == request.body
    assert rest == data[size:]
    assert (other.method, other.version) == ("POST", "HTTP/1.1")
    assert other.uri is not None
    assert other.uri.encode("latin-1") == request.url
    path = request.url[len(plain_request.PATH) :].partition(b"?")[0].decode("latin-1")
    assert other.path == plain_request.PATH + path
    said = request.credentials()
    assert other.headers.get("Authorization", "") == said.authorization
    assert other.headers.get("Origin", "") == said.origin
    assert other.headers.get("Host", "") == other.host == said.host
    key = None if request.key is None else request.key.decode("latin-1")
    assert other.headers.get("Idempotency-Key") == key
    assert request.is_last == asks_to_close(",".join(other.headers.get_list("Connection")))
    assert request.is_last or goes_on
    assert not {"Transfer-Encoding", "Content-Encoding", "Expect", "Upgrade"} & set(other.headers)
    assert said.is_forwarded == any(name in other.headers for name in FORWARDED)
    reads: tuple[Callable[[], object], ...] = (
        lambda: parameters.read_id(path),
        lambda: parameters.read_key(key or ""),
    )
    for read in reads:
        try:
            read()
        except ProblemError:
            pass


def http_visit(data: bytes) -> None:
    """`GET` of a stream, as zfront/http/acceptor.py has it."""
    stream_request = _plain_stream_request(data, _ORIGINS, ANY)
    if stream_request is None:
        return
    found = tornado_reads(data)
    assert found is not None, "Tornado refuses it"
    other, body, rest, _ = found
    assert not rest.strip(b"\r\n"), "empty lines before a next request mean nothing (RFC 9112, section 2.2)"
    assert (body, other.method, other.version) == (b"", "GET", "HTTP/1.1")
    headers = other.headers
    since = headers.get("Last-Event-ID") or headers.get("If-None-Match", "")
    as_read = read_stream_request(other.path, other.query, since)
    assert as_read is not None
    origin = headers.get("Origin", "")
    if stream_request.kind == WS:
        connection, upgrade = headers.get("Connection", ""), headers.get("Upgrade", "")
        assert ws.asks_for_upgrade(connection, upgrade, headers.get("Sec-WebSocket-Version", ""))
        assert stream_request.key == headers.get("Sec-WebSocket-Key", "")
        assert _ORIGINS.may_open(origin, other.host)
        assert stream_request == as_read._replace(key=stream_request.key)
        return
    lines = _ORIGINS.lines(origin)
    if asks_to_close(",".join(headers.get_list("Connection"))):
        lines += CLOSE
    assert stream_request == as_read._replace(headers=lines)


def http_head(data: bytes) -> None:
    """What is put for Tornado in another form is the same request, but for what is said of the connection."""
    found, put = tornado_reads(data), as_tornado_reads(data)
    end = _HEAD_END.search(data)
    if found is not None and end is not None and end.end() == len(data):
        again = tornado_reads(put)
        assert again is not None
        assert (again[0].method, again[0].uri, again[1]) == (found[0].method, found[0].uri, found[1])
        changed = {"Connection", "Expect"}
        before = {name: value for name, value in found[0].headers.get_all() if name not in changed}
        assert before == {name: value for name, value in again[0].headers.get_all() if name not in changed}
        asked_to_end = asks_to_close(",".join(found[0].headers.get_list("Connection")))
        assert not asked_to_end or not again[3] or "upgrade" in found[0].headers.get("Connection", "").lower()
    line = Given(data).sized()
    size = chunk_size(line)
    assert size.endswith(b"\r\n")
    assert b";" not in size
