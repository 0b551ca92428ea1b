"""A swarm of HTTP clients in one process: connects at a pace, reads chunks, checks what it reads.

Owns: the clients' sockets and what each has seen. Must not know: how many processes there are, how it is
shown. Framing is checked by httptools' parser, counters and stamps by us; what is wrong is an error by kind.
"""

from __future__ import annotations

import re
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final
from urllib.parse import urlsplit

import httptools
from hdrh.histogram import HdrHistogram

_NUMBERED: Final = re.compile(rb"Recvd msg #(\d+): '([^']*)'<br/>\n")
# What `zflood messages` sends: nanoseconds of the realtime clock, then padding.
_STAMP: Final = re.compile(rb"t=(\d+)")
_READ: Final = 65536
# Loopback: a source address has about 28,000 ports by default; each address takes this many clients.
_PER_SOURCE: Final = 20_000


def new_histogram() -> HdrHistogram:
    """Latencies in microseconds, 1 us to 60 s, three significant digits."""
    return HdrHistogram(1, 60_000_000, 3)


class Tally:
    """What all clients of one process have seen."""

    def __init__(self) -> None:
        self.connected = 0
        self.closed = 0
        self.messages = 0
        self.errors: Counter[str] = Counter()
        self.latency_us = new_histogram()


class _Client:
    """One connection: its parser calls back here."""

    __slots__ = ("number", "parser", "socket", "status_seen", "tally")

    def __init__(self, connection: socket.socket, tally: Tally) -> None:
        self.socket = connection
        self.tally = tally
        self.number = 0
        self.status_seen = False
        self.parser = httptools.HttpResponseParser(self)

    def on_headers_complete(self) -> None:
        self.status_seen = True
        status = self.parser.get_status_code()
        if status == 200:
            self.tally.connected += 1
        else:
            self.tally.errors[f"status {status}"] += 1

    def on_body(self, body: bytes) -> None:
        tally = self.tally
        for match in _NUMBERED.finditer(body):
            self.number += 1
            tally.messages += 1
            if int(match[1]) != self.number:
                tally.errors["wrong counter"] += 1
                self.number = int(match[1])
            stamp = _STAMP.match(match[2])
            if stamp is not None:
                tally.latency_us.record_value(max(1, (time.time_ns() - int(stamp[1])) // 1000))


class Swarm:
    """Clients of one process; `step()` carries them on."""

    def __init__(self, urls: Iterator[str], rate_per_s: float, tally: Tally) -> None:
        self.tally = tally
        self._urls: Iterator[str] | None = urls
        self._rate_per_s = rate_per_s
        self._began = time.monotonic()
        self._opened = 0
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}

    def is_connecting(self) -> bool:
        """Whether there are URLs left to connect to."""
        return self._urls is not None

    def active(self) -> int:
        """Connections that are open now."""
        return len(self._clients)

    def step(self, wait_s: float) -> None:
        """Open what is due and read what has come."""
        self._open_due()
        for descriptor, _ in self._epoll.poll(0.001 if self._urls else wait_s, 512):
            client = self._clients.get(descriptor)
            if client is not None:
                self._read(client)

    def close(self) -> None:
        """Leave."""
        for client in self._clients.values():
            client.socket.close()
        self._clients.clear()
        self._epoll.close()

    def _open_due(self) -> None:
        if self._urls is None:
            return
        elapsed = time.monotonic() - self._began
        due = self._opened + 50 if self._rate_per_s == 0 else int(elapsed * self._rate_per_s) + 1
        for _ in range(min(50, due - self._opened)):
            url = next(self._urls, None)
            if url is None:
                self._urls = None
                return
            self._open(url)

    def _open(self, url: str) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "127.0.0.1", parts.port or 80
        connection = socket.socket()
        try:
            if host.startswith("127."):
                connection.bind((f"127.0.0.{1 + self._opened // _PER_SOURCE}", 0))
            connection.connect((host, port))
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
        except OSError as error:
            self.tally.errors[error.strerror or type(error).__name__] += 1
            connection.close()
            self._opened += 1
            return
        connection.setblocking(False)
        self._opened += 1
        self._clients[connection.fileno()] = _Client(connection, self.tally)
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _read(self, client: _Client) -> None:
        try:
            data = client.socket.recv(_READ)
        except BlockingIOError:
            return
        except OSError as error:
            self.tally.errors[error.strerror or type(error).__name__] += 1
            data = b""
        if data:
            try:
                client.parser.feed_data(data)
                return
            except httptools.HttpParserError:
                self.tally.errors["bad framing"] += 1
        self.tally.closed += 1
        del self._clients[client.socket.fileno()]
        client.socket.close()


def run(
    urls: Iterator[str],
    rate_per_s: float,
    seconds: float | None,
    every_s: float,
    show: Callable[[Swarm], None],
) -> Swarm:
    """Connect to every URL and read for so many seconds (None: until all are closed or interrupted)."""
    swarm = Swarm(urls, rate_per_s, Tally())
    began = time.monotonic()
    next_show = began + every_s
    try:
        while swarm.is_connecting() or swarm.active():
            now = time.monotonic()
            if seconds is not None and now - began >= seconds:
                break
            swarm.step(0.1)
            if now >= next_show:
                next_show += every_s
                show(swarm)
    except KeyboardInterrupt:
        pass  # the totals are shown all the same
    show(swarm)
    return swarm
