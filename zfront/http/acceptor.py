"""The acceptor: accepts connections, parks the ordinary ones at once and leads all others to Tornado.

Owns: the listening socket, and the short way in: accept, read, parse with httptools, park.
Must not know: ids, the link.

What is not plainly one complete GET of a stream goes to Tornado with the bytes that were read, untouched.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import re
import socket
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

import httptools
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop

from zfront.connections.hub import Hub
from zfront.connections.parked_sockets import ParkedSockets
from zfront.date_header import NOW
from zfront.faults import Faults
from zfront.http import not_admitted, over_capacity
from zfront.http.lingering_close import LingeringClose
from zfront.http.send_fast_path import SendFastPath
from zfront.http.tornado_stream import TornadoStream
from zfront.http.unparked import Unparked
from zfront.requests.client_address import client_network
from zfront.requests.credentials import FORWARDED_BYTES
from zfront.requests.forwarded import NOBODY, Proxies
from zfront.requests.hosts import ANY, Hosts
from zfront.requests.open_mode import OpenMode, Surroundings
from zfront.requests.origins import Origins
from zfront.requests.plain_request import HEAD_BYTES, PLAIN_HOST, PLAINLY_SENDS, is_plain_head
from zfront.requests.stream_request import BadStreamRequestError, StreamRequest, read_stream_request
from zfront.requests.token_places import NotAdmittedError, TokenHeaders, offers_subprotocol
from zfront.transports import PATHS, WS, ws
from zfront.transports.chunks import CLOSE, asks_to_close

if TYPE_CHECKING:
    from zfront.requests.admission import Admission

log = logging.getLogger("zfront")

_PLAINLY_OURS: Final = tuple(b"GET " + path.encode() for path in PATHS)
_ACCEPTS: Final = 64  # connections taken in one go
# What the kernel may hold for all clients of a worker that do not read, and for one of them at the least.
UNSENT_BYTES: Final = 128 << 20
LEAST_UNSENT_BYTES: Final = 64 << 10
_FORWARDED_FOR: Final = re.compile(rb"\r\nx-forwarded-for:([^\r\n]*)", re.IGNORECASE).findall
_PAUSE_S: Final = 0.5  # without descriptors, before the next try


class Acceptor:
    """Takes connections from one listening socket."""

    def __init__(
        self,
        listener: socket.socket,
        hub: Hub,
        tornado: HTTPServer,
        keepalive_s: int,
        fast_path: SendFastPath,
        hosts: Hosts,
        faults: Faults,
        api_connections: int,
        unsent_bytes: int,
        path_ids_only: bool = False,
        admission: Admission | None = None,
        open_mode: OpenMode | None = None,
        asks_backend: bool = False,
        proxies: Proxies = NOBODY,
    ) -> None:
        self._most_unsent = self._unsent = unsent_bytes
        self.unparked = Unparked(
            lambda: len(hub.parked), hub.max_connections, api_connections, self._has_said
        )
        self.paused = 0  # times that there was no descriptor left
        self._listener = listener
        self._hub = hub
        self._tornado = tornado
        # Clients that came together are not probed together: loopback and routers drop bursts of packets, and
        # who answers no probe is gone.
        self._idle_s = cycle(range(keepalive_s // 2 + 1, keepalive_s + 1))
        self._loop = IOLoop.current()
        self._linger = LingeringClose(faults)
        self._fast_path = fast_path
        self._hosts = hosts
        self._path_ids_only = path_ids_only
        self._admission = admission
        self._open_mode = open_mode
        self._proxies = proxies
        self._asks_backend = asks_backend  # and so takes no request the short way
        self._faults = faults
        fast_path.on_leave = self._lead_on
        fast_path.on_part = self._linger.end
        self._parks = isinstance(hub.parked, ParkedSockets)
        self._is_open = False
        self._is_watching = False
        hub.on_request = self._asked_again
        hub.on_parting = lambda descriptor: self._linger.end(socket.socket(fileno=descriptor))

    def open(self) -> None:
        """Accept from now on."""
        self._is_open = True
        self._watch()
        self._loop.add_handler(self.unparked.fileno(), lambda *_: self.unparked.handle_events(), IOLoop.READ)

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

    def _share_kernel_memory(self) -> None:
        """The more clients there are, the less of it a new one gets: it inherits that from the listener."""
        unsent = unsent_share(self._most_unsent, len(self._hub.parked))
        if unsent != self._unsent:
            self._unsent = unsent
            self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent)

    def _knock(self, descriptor: int, events: int) -> None:
        self._share_kernel_memory()
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
            try:
                self._let_in(connection, address)
            except Exception as error:
                self._faults.ended(error, partial(self._give_up, connection))

    def _give_up(self, connection: socket.socket) -> None:
        """End it, whoever has it by now."""
        descriptor = connection.fileno()
        if descriptor >= 0:
            connection.close()

    def _pause(self) -> None:
        self.paused += 1
        log.warning("out of descriptors: not accepting for %s s", _PAUSE_S)
        self._unwatch()
        self._loop.call_later(_PAUSE_S, self._watch)

    def _let_in(self, connection: socket.socket, address: Any) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, next(self._idle_s))
        try:
            data = connection.recv(HEAD_BYTES)
        except BlockingIOError:
            self.unparked.wait(connection.detach())
        except OSError:
            connection.close()
        else:
            self._begin(connection, address, data)

    def _has_said(self, descriptor: int) -> None:
        """One that had said nothing has, or has gone."""
        connection = socket.socket(fileno=descriptor)
        try:
            self._begin(connection, connection.getpeername(), connection.recv(HEAD_BYTES))
        except BlockingIOError:
            self.unparked.wait(connection.detach())
        except OSError:
            connection.close()
        except Exception as error:
            self._faults.ended(error, partial(self._give_up, connection))

    def _begin(self, connection: socket.socket, address: Any, data: bytes) -> None:
        """What it said first: empty if it has gone."""
        if not data:
            connection.close()
            return
        if data[:1] in b"\r\n":
            # A server should ignore empty lines before a request (RFC 9112, section 2.2).
            data = data.lstrip(b"\r\n")
        try:
            stream_request = self._plain_stream_request(data) if self._parks else None
        except _NotAdmittedHereError as error:
            self._part_with(connection, error.answer)
            return
        if stream_request is None:
            if data.startswith(PLAINLY_SENDS):
                self._fast_path.seat(connection, address, data)
            else:
                self._lead_on(connection, address, data)
        elif self._hub.is_full():
            self._turn_away(connection, stream_request, data)
        else:
            self._park(connection, address, stream_request, data)

    def _park(
        self, connection: socket.socket, address: Any, stream_request: StreamRequest, data: bytes
    ) -> None:
        """Park it, unless its address or one of its ids has as many as it may."""
        crowding = self._hub.crowding
        if crowding.counts_addresses:
            stream_request = stream_request._replace(address=self._client(address, data))
        if crowding.is_bounded:
            crowded = crowding.reason(stream_request.address, stream_request.ids)
            if crowded:
                self._turn_away(connection, stream_request, data, crowded)
                return
        self._hub.enter(connection.detach(), stream_request)
        self.unparked.make_way()

    def _client(self, address: Any, data: bytes) -> str:
        """Whose connection it is, for bounds by address."""
        peer = str(address[0])
        if not self._proxies.are_some:
            return client_network(peer)
        lines = b",".join(_FORWARDED_FOR(data))
        return client_network(self._proxies.client(peer, lines.decode("latin-1")))

    def _turn_away(
        self, connection: socket.socket, stream_request: StreamRequest, data: bytes, crowded: str = ""
    ) -> None:
        self._hub.turned_away += 1
        lines = NOW.line + stream_request.headers.replace(CLOSE, b"")
        is_browser = over_capacity.is_event_source(stream_request, data.decode("latin-1"))
        self._part_with(
            connection,
            over_capacity.events(lines, self._hub.random)
            if is_browser
            else over_capacity.answer(lines, crowded),
        )

    def _part_with(self, connection: socket.socket, answer: bytes) -> None:
        """The connection ends with that answer."""
        with contextlib.suppress(OSError):  # it has left already
            connection.send(answer)
        self._linger.end(connection)

    def _lead_on(self, connection: socket.socket, address: Any, data: bytes) -> None:
        """Tornado goes on with this connection, of which `data` was read."""
        self._tornado.handle_stream(TornadoStream(connection, data, self._linger, self.unparked), address)

    def _asked_again(self, descriptor: int, data: bytes) -> None:
        """The next request on a connection that had been parked for one that was answered."""
        try:
            stream_request = self._plain_stream_request(data)
        except _NotAdmittedHereError as error:
            self._hub.refuse(descriptor, error.answer)
            return
        if stream_request is not None:
            if crowded := self._hub.crowding.reason_of_ids(stream_request.ids):
                self._hub.turned_away += 1
                self._hub.refuse(descriptor, over_capacity.answer(NOW.line, crowded))
                return
            self._hub.enter_again(descriptor, stream_request)
            return
        unread = self._hub.release(descriptor)
        connection = socket.socket(fileno=descriptor)
        if unread:  # it did not wait for the answer
            connection.close()
            return
        try:
            self._lead_on(connection, connection.getpeername(), data)
        except OSError:  # it has gone meanwhile
            connection.close()
        except Exception as error:
            self._faults.ended(error, lambda: self._give_up(connection))

    def _plain_stream_request(self, data: bytes) -> StreamRequest | None:
        if self._asks_backend:
            return None
        return _plain_stream_request(
            data, self._hub.origins, self._hosts, self._path_ids_only, self._admission, self._open_mode
        )


class _NotAdmittedHereError(Exception):
    """A plain request is refused with this answer."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


class _Head:
    """What httptools says of a request."""

    __slots__ = (
        "authorizations",
        "connection",
        "cookies",
        "fetch_site",
        "has_body",
        "has_since",
        "hosts",
        "is_complete",
        "is_forwarded",
        "is_plain",
        "key",
        "origin",
        "protocols",
        "referer",
        "requests",
        "since",
        "upgrade",
        "url",
        "version",
    )

    def __init__(self) -> None:
        self.url = self.since = self.origin = self.upgrade = self.connection = self.version = self.key = b""
        self.hosts: list[bytes] = []
        self.authorizations: list[bytes] = []
        self.cookies: list[bytes] = []
        self.protocols: list[bytes] = []
        self.fetch_site = self.referer = b""
        self.requests = 0
        self.is_complete = self.has_body = self.has_since = self.is_forwarded = False
        self.is_plain = True

    def on_message_begin(self) -> None:
        self.requests += 1

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name, value = name.lower(), value.strip(b" \t")
        if name == b"host":
            self.hosts.append(value)
        elif name in (b"last-event-id", b"if-none-match"):
            self.is_plain = self.is_plain and not self.has_since
            self.has_since, self.since = True, value
        elif name == b"origin":
            self.is_plain = self.is_plain and not self.origin
            self.origin = value
        elif name == b"upgrade":
            self.upgrade += b"," + value
        elif name == b"connection":
            self.connection += b"," + value
        elif name == b"sec-websocket-version":
            self.version += value
        elif name == b"sec-websocket-key":
            self.key += value  # two of them are not 16 bytes
        elif name == b"authorization":
            self.authorizations.append(value)
        elif name == b"cookie":
            self.cookies.append(value)
        elif name == b"sec-websocket-protocol":
            self.protocols.append(value)
        elif name == b"sec-fetch-site":
            self.fetch_site += value
        elif name in (b"content-length", b"transfer-encoding", b"expect"):
            self.has_body = True
        elif name == b"referer":
            self.is_plain = self.is_plain and not self.referer
            self.referer = value
        elif name in FORWARDED_BYTES:
            self.is_forwarded = True

    def says_nothing_more(self) -> bool:
        """Whether the Host is all that it says of where it comes from."""
        return not (self.origin or self.referer or self.fetch_site or self.is_forwarded)

    def surroundings(self, host: str) -> Surroundings:
        """Where it comes from."""
        return Surroundings(
            host,
            self.origin.decode("latin-1"),
            self.referer.decode("latin-1"),
            self.fetch_site.decode("latin-1"),
            self.is_forwarded,
        )

    def token_headers(self) -> TokenHeaders:
        """Where a token may stand."""
        return TokenHeaders(
            _texts(self.authorizations),
            _texts(self.cookies),
            _texts(self.protocols),
            self.fetch_site.decode("latin-1"),
            self.origin.decode("latin-1"),
            self.hosts[0].decode("latin-1"),
        )

    def on_message_complete(self) -> None:
        self.is_complete = True


def _plain_stream_request(
    data: bytes,
    origins: Origins,
    hosts: Hosts = ANY,
    path_ids_only: bool = False,
    admission: Admission | None = None,
    open_mode: OpenMode | None = None,
) -> StreamRequest | None:
    """The stream request, if these bytes are one whole, ordinary request for it.

    Raises:
        _NotAdmittedHereError: they are, and it is not admitted.
    """
    if (
        not data.startswith(_PLAINLY_OURS)
        or data.find(b"\r\n\r\n") != len(data) - 4
        or not is_plain_head(data)
    ):
        return None
    head = _Head()
    parser = httptools.HttpRequestParser(head)
    try:
        with contextlib.suppress(httptools.HttpParserUpgrade):  # it stops behind the head
            parser.feed_data(data)
        if not head.is_complete or head.has_body or head.requests > 1 or parser.get_http_version() != "1.1":
            return None
        if not head.is_plain:
            return None
        if len(head.hosts) != 1 or not PLAIN_HOST(head.hosts[0]):
            return None
        host = head.hosts[0].decode("latin-1")
        if hosts.refusal(host):
            return None
        if open_mode is not None and not (
            open_mode.knows(host) if head.says_nothing_more() else open_mode.admits(head.surroundings(host))
        ):
            return None
        path, _, query = head.url.decode("ascii").partition("?")
        since = head.since.decode("latin-1") if head.since else ""
        stream_request = read_stream_request(path, query, since, path_ids_only=path_ids_only)
        if stream_request is None:
            return None
        origin = head.origin.decode("latin-1") if head.origin else ""
        if stream_request.kind != WS and not head.upgrade:
            lines = origins.lines(origin)
            if head.connection and asks_to_close(head.connection.decode("latin-1")):
                lines += CLOSE
            stream_request = stream_request._replace(headers=lines) if lines else stream_request
            return _admitted(stream_request, head, admission)
        if not origins.may_open(origin, host):
            return None
        said = (one.decode("latin-1") for one in (head.connection, head.upgrade, head.version))
        key = head.key.decode("latin-1")
        if stream_request.kind != WS or not ws.asks_for_upgrade(*said) or not ws.is_key(key):
            return None
        has_subprotocol = bool(head.protocols) and offers_subprotocol(_texts(head.protocols))
        stream_request = stream_request._replace(key=key, has_subprotocol=has_subprotocol)
        return _admitted(stream_request, head, admission)
    except (httptools.HttpParserError, UnicodeDecodeError, BadStreamRequestError):
        return None  # Tornado finds the right words


def _admitted(stream_request: StreamRequest, head: _Head, admission: Admission | None) -> StreamRequest:
    """The same, with what its token grants, where there are tokens.

    Raises:
        _NotAdmittedHereError: it is not admitted.
    """
    if admission is None:
        return stream_request
    try:
        admitted = admission.admit(stream_request, head.token_headers(), stream_request.kind == WS)
    except NotAdmittedError as error:
        lines = NOW.line + stream_request.headers.replace(CLOSE, b"")
        raise _NotAdmittedHereError(not_admitted.answer(error, lines)) from None
    return stream_request._replace(admitted=admitted)


def _texts(values: list[bytes]) -> list[str]:
    return [value.decode("latin-1") for value in values]


def unsent_share(most: int, clients: int) -> int:
    """What the kernel may hold for the next client; 0, its own bound, if `most` is 0."""
    while most > LEAST_UNSENT_BYTES and most * clients > UNSENT_BYTES:
        most //= 2
    return most


def _socket_for(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)


def check_free(host: str, port: int) -> None:
    """Find out whether another program listens there: workers share their port, and would share it with that.

    Raises:
        OSError: it is in use.
    """
    with _socket_for(host) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))


def listen(host: str, port: int, keepalive_s: int, unsent_bytes: int = 0) -> socket.socket:
    """A listening socket that shares its port with those of other workers.

    A client that is silent for `keepalive_s` is probed, or earlier (see Acceptor); one that has vanished is
    gone half as long after. `unsent_bytes`: what the kernel takes for a client and can't send yet (tcp(7)); 0
    = as much as its settings allow.
    """
    listener = _socket_for(host)
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
    if unsent_bytes:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, unsent_bytes)
    # Wake us when the request is there, not before; a client that says nothing costs nothing.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 5)
    listener.setblocking(False)
    listener.bind((host, port))
    listener.listen(4096)
    return listener
