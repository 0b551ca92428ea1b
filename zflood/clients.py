"""Very many HTTP clients in one process: connects at a pace, reads all that comes.

Owns: the clients' sockets, their pace and source addresses. Must not know: what is read (reading.py), how
many processes there are (swarm.py).

A connection is a descriptor in an epoll; see reading.py for what else there is of it.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import time
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from zflood.reading import BadResponseError, Reading, Tally

# Clients of one source address. It has some 28,000 ports by default, of which connect() tries every other one
# first, one after the other: when most of these are taken, 15,000 new connections a second become 1,300.
PER_SOURCE: Final = 5_000
_READ_BYTES: Final = 16_384
_OPENING: Final = 128  # connections that may be on their way at a time: below every usual backlog
_BIND_ADDRESS_NO_PORT: Final = 24  # linux/in.h; the port is chosen at connect, for the whole four-tuple
_STEP_S: Final = 0.05


class Target(NamedTuple):
    """Where a client connects to, and the request that it sends."""

    address: tuple[str, int]
    request: bytes


def target(url: str) -> Target:
    """Read a URL.

    Raises:
        ValueError: it is not http://HOST[:PORT]/...
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"not an http URL: {url}")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    return Target((parts.hostname, parts.port or 80), request)


class Clients:
    """The clients of one process; `step` carries them on.

    `targets` may be endless; `rate_per_s` new connections are begun each second (0: as fast as they are
    made), from the addresses of `source`, each in its turn (None: the kernel's choice).
    """

    def __init__(
        self, targets: Iterator[Target], rate_per_s: float, source: IPv4Network | None, first_source: int = 0
    ) -> None:
        self.tally = Tally()
        self.closed = 0
        self._reading = Reading(self.tally)
        self._targets: Iterator[Target] | None = targets
        self._rate_per_s = rate_per_s
        self._source = source
        self._first_source = first_source
        self._began = time.monotonic()
        self._begun = 0
        self._epoll = select.epoll()
        self._opening: dict[int, bytes] = {}
        self._open: set[int] = set()

    @property
    def active(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def is_at_work(self) -> bool:
        """Whether a connection is open, or will be."""
        return bool(self._open or self._opening or self._targets is not None)

    def step(self, wait_s: float = _STEP_S) -> None:
        """Begin what is due, and read what has come."""
        self._begin_due()
        is_pacing = self._targets is not None and len(self._opening) < _OPENING
        read, feed = os.read, self._reading.feed
        for descriptor, events in self._epoll.poll(0.001 if is_pacing else wait_s, 512):
            if descriptor in self._opening:
                self._connected(descriptor, events)
                continue
            try:
                data = read(descriptor, _READ_BYTES)
            except BlockingIOError:
                continue
            except OSError as error:
                self._end(descriptor, error)
                continue
            if not data:
                self._end(descriptor)
                continue
            try:
                feed(descriptor, data)
            except BadResponseError as error:
                self._end(descriptor, error)

    def close(self) -> None:
        """Leave, all at once."""
        for descriptor in [*self._open, *self._opening]:
            os.close(descriptor)
        self._open.clear()
        self._opening.clear()
        self._epoll.close()

    def _begin_due(self) -> None:
        if self._targets is None:
            return
        due = _OPENING
        if self._rate_per_s:
            due = int((time.monotonic() - self._began) * self._rate_per_s) + 1 - self._begun
        for _ in range(min(due, _OPENING - len(self._opening))):
            where = next(self._targets, None)
            if where is None:
                self._targets = None
                return
            self._begin(where)

    def _begin(self, where: Target) -> None:
        try:
            connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._begun += 1
            self._count(error)
            return
        try:
            if self._source is not None:
                connection.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                connection.bind((str(self._source_address()), 0))
            status = connection.connect_ex(where.address)
            if status not in (0, errno.EINPROGRESS):
                raise OSError(status, os.strerror(status))
        except OSError as error:
            self._count(error)
            connection.close()
        else:
            descriptor = connection.detach()
            self._opening[descriptor] = where.request
            self._epoll.register(descriptor, select.EPOLLOUT)
        self._begun += 1

    def _source_address(self) -> IPv4Address:
        assert self._source is not None
        # Without the network's own address and, of 127.0.0.0/8, the last one, which is a broadcast address.
        usable = max(1, self._source.num_addresses - 2)
        turn = (self._first_source + self._begun // PER_SOURCE) % usable
        return self._source[0] if self._source.num_addresses == 1 else self._source[1 + turn]

    def _connected(self, descriptor: int, events: int) -> None:
        request = self._opening.pop(descriptor)
        try:
            os.write(descriptor, request)
        except OSError as error:
            self._count(error)
            os.close(descriptor)
            return
        self._open.add(descriptor)
        self._reading.opened(descriptor)
        self._epoll.modify(descriptor, select.EPOLLIN)

    def _end(self, descriptor: int, error: Exception | None = None) -> None:
        if error is not None and str(error):
            self._count(error)
        self.closed += 1
        self._open.discard(descriptor)
        self._reading.left(descriptor)
        os.close(descriptor)

    def _count(self, error: Exception) -> None:
        self.tally.errors[getattr(error, "strerror", None) or str(error)] += 1
