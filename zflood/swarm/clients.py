"""Very many clients in one process: connects at a pace, reads all that comes.

Owns: the clients' sockets, their pace and source addresses. Must not know: what is read (transports/), who
tries again when (reconnects.py), how many processes there are (swarm.py).

A connection is a descriptor in an epoll; see transports/ for what else there is of it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from array import array
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv4Network
from itertools import takewhile
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from zflood.check.client_log import ClientLog
from zflood.swarm.reconnects import Reconnects
from zflood.swarm.tally import Tally
from zflood.swarm.transports.interface import AskAgain, Cut, Ended, Transport

# Clients of one source address. It has some 28,000 ports by default, of which connect() tries every other one
# first, one after the other: when most of these are taken, 15,000 new connections a second become 1,300.
PER_SOURCE: Final = 5_000
_READ_BYTES: Final = 16_384
_OPENING: Final = 128  # connections that may be on their way at a time: below every usual backlog
_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h; the port is chosen at connect, for the whole four-tuple
_FAILED: Final = select.EPOLLERR | select.EPOLLHUP
_STEP_S: Final = 0.05
_PACE_S: Final = 0.001
_OVERDUE_S: Final = 0.1  # how often is looked for those that are not answered in time
_AGAIN: Final = "reconnecting: "  # before the errors of clients that have been up and are not


class Target(NamedTuple):
    """Where a client connects to, and what it asks for."""

    address: tuple[str, int]
    host: str  # as in a Host header
    path: str


def target(url: str) -> Target:
    """Read a URL. http:// and ws:// are the same here: the transport is an option of its own.

    Raises:
        ValueError: it is not http://HOST[:PORT]/... or ws://...
    """
    parts = urlsplit(url)
    # What is not printable ASCII would break the request (RFC 3986, 2: it is to be percent-encoded).
    is_sound = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "ws") or not parts.hostname or parts.port == 0 or not is_sound:
        raise ValueError(f"not an http or ws URL: {url[:200]!r}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target((parts.hostname, parts.port or 80), parts.netloc.rpartition("@")[2], path)


class Clients:
    """The clients of one process; `step` carries them on.

    There are `wanted` of them, and `target_of` says where each, counted from 0, connects to. `rate_per_s` of
    them are begun each second (0: as fast as they are made), from the addresses of `source`, each in its turn
    (None: the kernel's choice). With `reconnect` one whose connection ended connects again. A connection must
    be there and, where the transport can tell, answered within `timeout_s` (None: whenever). `record` begins
    what is to be kept of all that they see; it is given the client of each connection.
    """

    def __init__(
        self,
        transport: type[Transport],
        wanted: int,
        target_of: Callable[[int], Target],
        rate_per_s: float = 0,
        source: IPv4Network | None = None,
        first_source: int = 0,
        reconnect: bool = False,
        timeout_s: float | None = None,
        record: Callable[[Sequence[int]], ClientLog] | None = None,
    ) -> None:
        self._client_of = array("I")  # by descriptor
        self._record = record(self._client_of) if record is not None else None
        self.tally = Tally(self._record)
        self.reconnects = Reconnects(wanted, reconnect)
        self.closed = 0
        self._transport = transport(self.tally, self._answered)
        self._wanted = wanted
        self._target_of = target_of
        self._rate_per_s = rate_per_s
        self._source = source
        self._first_source = first_source
        self._timeout_s = timeout_s
        self._began = time.monotonic()
        self._begun = 0
        self._epoll = select.epoll()
        self._since: dict[int, str] = {}  # up to which offset clients have had all that are away
        self._opening: dict[int, Target] = {}
        self._open: set[int] = set()
        self._asking: dict[int, float] = {}  # since when; not answered yet, who has waited longest first
        self._next_look = self._began

    @property
    def active(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def is_at_work(self) -> bool:
        """Whether a connection is open, or will be."""
        return bool(self._open or self._opening or self._begun < self._wanted or self.reconnects.is_waiting)

    def step(self, wait_s: float = _STEP_S) -> None:
        """Begin what is due, and read what has come."""
        if self._begun < self._wanted or self.reconnects.is_waiting:
            wait_s = min(wait_s, self._begin_due())
        read, feed = os.read, self._transport.feed
        for descriptor, events in self._epoll.poll(wait_s, 512):
            if descriptor in self._opening:
                self._connected(descriptor, events)
                continue
            try:
                answer = feed(descriptor, read(descriptor, _READ_BYTES))
                if answer:
                    self._say(descriptor, answer)
            except BlockingIOError:
                continue
            except (OSError, Ended) as error:
                self._end(descriptor, error)
        if self._asking and self._timeout_s is not None:
            self._end_overdue(self._timeout_s)
        if self._record is not None:
            self._record.flush_now_and_then()

    def close(self) -> None:
        """Leave, all at once."""
        if self._record is not None:
            for descriptor in self._open:
                self._record.left(self._client_of[descriptor])
            self._record.close()
        for descriptor in [*self._open, *self._opening]:
            os.close(descriptor)
        self._open.clear()
        self._opening.clear()
        self._asking.clear()
        self._epoll.close()

    def _begin_due(self) -> float:
        """Begin connections; returns how long there are no more to begin [s]."""
        now = time.monotonic()
        room = _OPENING - len(self._opening)
        if self._transport.is_answered_at_once:
            room -= len(self._open) - self.reconnects.up
        while room > 0 and (client := self.reconnects.next_due(now)) is not None:
            self._begin(client)
            room -= 1
        due = self._wanted - self._begun
        if self._rate_per_s:
            due = min(due, int((now - self._began) * self._rate_per_s) + 1 - self._begun)
        for _ in range(min(due, room)):
            self._begin(self._begun)
            self._begun += 1
            room -= 1
        if room <= 0:
            return _STEP_S
        if self._begun < self._wanted:
            return _PACE_S
        return max(_PACE_S, self.reconnects.wait_s(now)) if self.reconnects.is_waiting else _STEP_S

    def _begin(self, client: int) -> None:
        where = self._target_of(client)
        try:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._failed(client, error)
            return
        try:
            if self._source is not None:
                connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                connection.bind((str(self._source_address(client)), 0))
            status = connection.connect_ex(where.address)
            if status not in (0, errno.EINPROGRESS):
                raise OSError(status, os.strerror(status))
        except OSError as error:
            connection.close()
            self._failed(client, error)
            return
        descriptor = connection.detach()
        while descriptor >= len(self._client_of):
            self._client_of.extend([0] * 1024)
        self._client_of[descriptor] = client
        self._opening[descriptor] = where
        self._asking[descriptor] = time.monotonic()
        self._epoll.register(descriptor, select.EPOLLOUT)

    def _source_address(self, client: int) -> IPv4Address:
        assert self._source is not None
        # Without the network's own address and, of 127.0.0.0/8, the last one, which is a broadcast address.
        usable = max(1, self._source.num_addresses - 2)
        turn = (self._first_source + client // PER_SOURCE) % usable
        return self._source[0] if self._source.num_addresses == 1 else self._source[1 + turn]

    def _connected(self, descriptor: int, events: int) -> None:
        if events & _FAILED:
            self._give_up(descriptor, _pending_error(descriptor))
            return
        where = self._opening.pop(descriptor)
        self._open.add(descriptor)
        self._epoll.modify(descriptor, select.EPOLLIN)
        client = self._client_of[descriptor]
        if self._record is not None:
            self._record.begins(client, where.path)
        try:
            since = self._since.pop(client, "")
            self._say(descriptor, self._transport.opened(descriptor, where.host, where.path, since))
        except (OSError, Ended) as error:
            self._end(descriptor, error)

    def _say(self, descriptor: int, what: bytes) -> None:
        """Send these few bytes at once: there is no queue of what is not read."""
        try:
            sent = os.write(descriptor, what)
        except BlockingIOError:
            sent = 0
        if sent < len(what):
            raise Ended("the server does not read")

    def _answered(self, descriptor: int) -> None:
        self._asking.pop(descriptor, None)
        self.reconnects.answered(self._client_of[descriptor], time.monotonic())
        if self._record is not None:
            self._record.answered(self._client_of[descriptor])

    def _end(self, descriptor: int, error: Exception) -> None:
        """The connection is over, for this reason."""
        client = self._client_of[descriptor]
        if isinstance(error, Ended) and error.last_words:
            with contextlib.suppress(OSError):
                os.write(descriptor, error.last_words)
        self._open.discard(descriptor)
        self._asking.pop(descriptor, None)
        if self._record is not None:
            self._record.ended(client, _kind(error))
        is_back_soon = self.reconnects.is_reconnecting or isinstance(error, AskAgain)
        if is_back_soon and (since := self._transport.offset(descriptor)):
            self._since[client] = since
        self._transport.left(descriptor)
        os.close(descriptor)
        if isinstance(error, AskAgain):
            self.reconnects.begins_again(client, time.monotonic())
            return
        self.closed += 1
        kind = _kind(error)
        # Whether a server's death comes as a reset or as an end is the kernel's choice.
        if (
            self.reconnects.is_reconnecting
            and self.reconnects.is_up(client)
            and isinstance(error, OSError | Cut)
        ):
            self.tally.cut(kind)
            kind = ""
        self._over(client, kind, self.reconnects.is_away(client))

    def _end_overdue(self, timeout_s: float) -> None:
        """Those that have waited too long for a connection or an answer."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + _OVERDUE_S
        for descriptor in list(takewhile(lambda one: self._asking[one] < now - timeout_s, self._asking)):
            if descriptor in self._opening:
                self._give_up(descriptor, OSError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT)))
            else:
                self._end(descriptor, Ended("no answer in time"))

    def _give_up(self, descriptor: int, error: OSError) -> None:
        """It will be no connection, for this reason."""
        del self._opening[descriptor], self._asking[descriptor]
        os.close(descriptor)
        self._failed(self._client_of[descriptor], error)

    def _failed(self, client: int, error: OSError) -> None:
        """No connection could be made."""
        self._over(client, _kind(error), self.reconnects.is_up(client) or self.reconnects.is_away(client))

    def _over(self, client: int, kind: str, is_again: bool) -> None:
        if kind:
            self.tally.error(_AGAIN + kind if is_again and self.reconnects.is_reconnecting else kind)
        self.reconnects.ended(client, time.monotonic())


def _kind(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)


def _pending_error(descriptor: int) -> OSError:
    try:
        os.read(descriptor, 1)
    except OSError as error:
        return error
    return OSError(errno.ECONNABORTED, os.strerror(errno.ECONNABORTED))
