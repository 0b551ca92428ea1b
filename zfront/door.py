"""The door: accepts connections, parks the ordinary ones at once and leads all others to Tornado.

Owns: the listening socket, and the short way in: accept, read, parse with httptools, park.
Must not know: ids, the link.

What is not plainly a complete `GET /test/<id>` goes to Tornado with the bytes that were read, untouched.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
from random import randint
from typing import Any, Final

import httptools
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.iostream import IOStream

from zfront.lot import Lot
from zfront.room import RETRY_AFTER_S, Room
from zfront.visit import CHUNKED_PATH, BadVisitError, Visit, read_visit

log = logging.getLogger("zfront")

HEAD_BYTES: Final = 8192
_PLAINLY_OURS: Final = b"GET " + CHUNKED_PATH.encode()
_ACCEPTS: Final = 64  # connections taken in one go
_READ_AWAY: Final = 4
_PAUSE_S: Final = 0.5  # without descriptors, before the next try
FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: %d\r\n"
    b"Connection: close\r\nContent-Length: 5\r\n\r\nfull\n" % RETRY_AFTER_S
)

TOO_LONG: Final = (  # RFC 6585, section 5
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Connection: close\r\nContent-Length: 18\r\n\r\nhead is too large\n"
)


class Door:
    """Takes connections from one listening socket."""

    def __init__(self, listener: socket.socket, room: Room, tornado: HTTPServer, keepalive_s: int) -> None:
        self.paused = 0  # times that there was no descriptor left
        self._listener = listener
        self._room = room
        self._tornado = tornado
        self._keepalive_s = keepalive_s
        self._loop = IOLoop.current()
        self._parks = isinstance(room.lot, Lot)
        self._is_open = False
        self._is_watching = False

    def open(self) -> None:
        """Accept from now on."""
        self._is_open = True
        self._watch()

    def close(self) -> None:
        """Accept no more."""
        self._is_open = False
        self._unwatch()

    def _watch(self) -> None:
        if self._is_open and not self._is_watching:
            self._is_watching = True
            self._loop.add_handler(self._listener.fileno(), self._knock, IOLoop.READ)

    def _unwatch(self) -> None:
        if self._is_watching:
            self._is_watching = False
            self._loop.remove_handler(self._listener.fileno())

    def _knock(self, descriptor: int, events: int) -> None:
        for _ in range(_ACCEPTS):
            try:
                connection, address = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause()
                    return
                continue  # that client left before it came in
            self._let_in(connection, address)

    def _pause(self) -> None:
        self.paused += 1
        log.warning("out of descriptors: not accepting for %s s", _PAUSE_S)
        self._unwatch()
        self._loop.call_later(_PAUSE_S, self._watch)

    def _let_in(self, connection: socket.socket, address: Any) -> None:
        connection.setblocking(False)
        # Clients that came together are not probed together: loopback and routers drop bursts of packets, and
        # who answers no probe is gone.
        idle_s = randint(self._keepalive_s // 2 + 1, self._keepalive_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, idle_s)
        try:
            data = connection.recv(HEAD_BYTES)
        except BlockingIOError:
            data = None
        except OSError:
            connection.close()
            return
        if data == b"":
            connection.close()
            return
        if self._room.is_full():
            self._room.turned_away += 1
            _answer(connection, FULL)
            return
        if data is not None and len(data) == HEAD_BYTES and b"\r\n\r\n" not in data:
            _answer(connection, TOO_LONG)  # Tornado would only hang up
            return
        visit = _plain_visit(data) if data and self._parks else None
        if visit is not None:
            self._room.enter(connection.detach(), visit)
        else:
            self._tornado.handle_stream(ReadAheadStream(connection, data or b""), address)


def _answer(connection: socket.socket, answer: bytes) -> None:
    """Say that and hang up."""
    with connection, contextlib.suppress(OSError):  # it has left already
        connection.send(answer)
        # Bytes that were never read would turn the end into a reset, and the answer be lost.
        connection.shutdown(socket.SHUT_WR)
        for _ in range(_READ_AWAY):
            connection.recv(65536)


class ReadAheadStream(IOStream):
    """A stream of a socket from which some bytes were read already."""

    def __init__(self, connection: socket.socket, ahead: bytes) -> None:
        super().__init__(connection)
        self._ahead = ahead

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """The bytes read ahead, then what the socket has."""
        if not self._ahead:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._ahead))
        buf[:size] = self._ahead[:size]
        self._ahead = self._ahead[size:]
        return size


class _Head:
    """What httptools says of a request."""

    __slots__ = ("has_body", "is_complete", "requests", "url")

    def __init__(self) -> None:
        self.url = b""
        self.requests = 0
        self.is_complete = self.has_body = False

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"content-length", b"transfer-encoding", b"upgrade", b"expect"):
            self.has_body = True

    def on_message_complete(self) -> None:
        self.is_complete = True


def _plain_visit(data: bytes) -> Visit | None:
    """The visit, if these bytes are one whole, ordinary request for it."""
    if not data.startswith(_PLAINLY_OURS) or not data.endswith(b"\r\n\r\n"):
        return None
    if b"\r\nhost:" not in data.lower():
        return None  # HTTP/1.1 wants one (RFC 9112, section 3.2)
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        parser.feed_data(data)
        if not head.is_complete or head.has_body or head.requests > 1 or parser.get_http_version() != "1.1":
            return None
        path, _, query = head.url.decode("ascii").partition("?")
        return read_visit(path, query)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade, UnicodeDecodeError, BadVisitError):
        return None  # Tornado finds the right words


def check_free(host: str, port: int) -> None:
    """Find out whether another program listens there: workers share their port, and would share it with that.

    Raises:
        OSError: it is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def listen(host: str, port: int, keepalive_s: int) -> socket.socket:
    """A listening socket that shares its port with those of other workers.

    A client that is silent for `keepalive_s` is probed, or earlier (see Door); one that has vanished is gone
    half as long after.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    # Connections inherit these from the listener.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, keepalive_s)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, keepalive_s // 6))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    # There are no probes while something is unacknowledged, only retransmissions: by default for a quarter of
    # an hour (tcp(7)).
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1500 * keepalive_s)
    # Wake us when the request is there, not before; a client that says nothing costs nothing.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    listener.setblocking(False)
    listener.bind((host, port))
    listener.listen(4096)
    return listener
