"""What the kernel is to a frontend's lot, simulated: descriptors of connections, epoll, read, write, close.

Owns: buffers and their bounds, resets, half-closes, numbers of descriptors, which are used again at once.
Must not know: who talks, or of what.

It stands in for the modules os, select and socket of zfront/connections/parked_sockets.py; what is not
simulated is the real thing.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections import Counter
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from types import SimpleNamespace
from typing import Any

from tests.simulation.world import Broken, Process

_FIRST = 10
_MOST = 4096


class Pair:
    """One TCP connection: the server's end is a descriptor, the client's an object of the simulator.

    `on_bytes` is called when there is something to read for the client, or the end.
    """

    def __init__(self, number: int, hub: int, on_bytes: Callable[[], None]) -> None:
        self.number = number  # of the client
        self.descriptor = -1
        self.hub = hub  # what the kernels hold for a client that does not read
        self.to_client = bytearray()
        self.to_server = bytearray()
        self.client_ended = False  # it has closed or shut down its sending half
        self.is_reset = False
        self.server_closed = False
        self.server_reads_no_more = False  # shutdown(SHUT_RD)
        self.is_blocked = False  # the server's last write was not taken whole
        self.written = 0  # bytes, since it was made
        self.writes_left = -1  # of the server, until it is reset in the middle of one; -1: any number
        self.on_bytes = on_bytes
        self.on_event: Callable[[], None] = lambda: None  # the server's loop is woken

    def say(self, data: bytes) -> None:
        """The client sends."""
        if not self.is_reset and not self.server_closed and not self.client_ended:
            self.to_server += data
            self.on_event()

    def end(self) -> None:
        """The client sends no more."""
        self.client_ended = True
        self.on_event()

    def reset(self) -> None:
        """The client's kernel says RST: what was on its way is lost, both ways."""
        self.is_reset = True
        self.to_server.clear()
        self.to_client.clear()
        self.on_event()

    def has_news(self) -> bool:
        """Whether there is something for the client to read, or the end."""
        return bool(self.to_client) or self.server_closed or self.is_reset

    def take(self, most: int) -> bytes:
        """The client reads."""
        data = bytes(self.to_client[:most])
        was_full = len(self.to_client) >= self.hub
        del self.to_client[:most]
        if was_full and data:
            self.on_event()
        return data

    def events(self) -> int:
        """What epoll says of it."""
        found = 0
        if self.is_reset:
            return select.EPOLLHUP | select.EPOLLERR | select.EPOLLIN | select.EPOLLRDHUP
        if self.to_server:
            found |= select.EPOLLIN
        if self.client_ended or self.server_reads_no_more:
            found |= select.EPOLLIN | select.EPOLLRDHUP
        if len(self.to_client) < self.hub:
            found |= select.EPOLLOUT
        return found


class SimEpoll:
    """An epoll, level-triggered."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.watched: dict[int, int] = {}
        self._number = kernel.descriptors_add(self.is_readable)

    def fileno(self) -> int:
        return self._number

    def register(self, descriptor: int, events: int) -> None:
        self._kernel.find(descriptor)
        self.watched[descriptor] = events

    def modify(self, descriptor: int, events: int) -> None:
        self._kernel.find(descriptor)
        self.watched[descriptor] = events

    def unregister(self, descriptor: int) -> None:
        del self.watched[descriptor]

    def _ready(self, descriptor: int) -> int:
        always = select.EPOLLHUP | select.EPOLLERR
        return self._kernel.open[descriptor].events() & (self.watched[descriptor] | always)

    def is_readable(self) -> bool:
        return any(map(self._ready, self.watched))

    def poll(self, timeout: float = -1, maxevents: int = -1) -> list[tuple[int, int]]:
        found = [(one, events) for one in self.watched if (events := self._ready(one))]
        self._kernel.process.world.chance.shuffle(found)
        return found[:maxevents] if maxevents > 0 else found


class Kernel:
    """The descriptors of one process. `descriptors_add` is told of those that a loop may watch."""

    def __init__(self, process: Process, descriptors_add: Callable[[Callable[[], bool]], int]) -> None:
        self.process = process
        self.descriptors_add = descriptors_add
        self.open: dict[int, Pair] = {}
        self.counts: Counter[str] = Counter()
        self.epolls: list[SimEpoll] = []
        self.on_read: Callable[[Pair, bytes], None] = lambda pair, data: None  # the judge's
        self._free = list(range(_FIRST, _MOST))
        heapify(self._free)

    def accept(self, pair: Pair) -> int:
        """Give it the lowest number that is free."""
        pair.descriptor = heappop(self._free)
        self.open[pair.descriptor] = pair
        return pair.descriptor

    def find(self, descriptor: int) -> Pair:
        """The connection with that number; who uses a number that is none writes to strangers tomorrow."""
        if descriptor not in self.open:
            raise Broken("stale descriptor", f"{self.process.name} uses {descriptor}, which it has closed")
        return self.open[descriptor]

    def epoll(self) -> SimEpoll:
        self.epolls.append(SimEpoll(self))
        return self.epolls[-1]

    def write(self, descriptor: int, data: bytes | bytearray) -> int:
        pair = self.find(descriptor)
        if pair.writes_left >= 0:
            if pair.writes_left == 0:
                self.process.world.injected("reset in a write")
                pair.writes_left = -1
                pair.reset()
            else:
                pair.writes_left -= 1
        if pair.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, "simulated")
        hub = pair.hub - len(pair.to_client)
        pair.is_blocked = hub < len(data)
        if hub <= 0:
            self.counts["blocked"] += 1
            raise BlockingIOError(errno.EAGAIN, "simulated")
        sent = min(hub, len(data))
        if sent < len(data):
            self.process.world.injected("short write")
        pair.to_client += data[:sent]
        pair.written += sent
        pair.on_bytes()
        return sent

    def read(self, descriptor: int, most: int) -> bytes:
        pair = self.find(descriptor)
        if pair.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, "simulated")
        if not pair.to_server:
            if pair.client_ended or pair.server_reads_no_more:
                return b""
            raise BlockingIOError(errno.EAGAIN, "simulated")
        data = bytes(pair.to_server[:most])
        del pair.to_server[:most]
        self.on_read(pair, data)
        return data

    def close(self, descriptor: int) -> None:
        pair = self.find(descriptor)
        del self.open[descriptor]
        for epoll in self.epolls:
            epoll.watched.pop(descriptor, None)
        heappush(self._free, descriptor)
        pair.server_closed = True
        if pair.to_server and not pair.is_reset:
            pair.to_client.clear()  # unread bytes make it a reset (RFC 1122, 4.2.2.13)
            pair.is_reset = True
        pair.on_bytes()

    def end_all(self) -> None:
        """The process is killed."""
        for descriptor in list(self.open):
            self.close(descriptor)


class _Socket:
    """socket.socket(fileno=...), for what is sent with flags."""

    def __init__(self, kernel: Kernel, descriptor: int) -> None:
        self._kernel = kernel
        self._descriptor = descriptor

    def send(self, data: bytes, flags: int = 0) -> int:
        return self._kernel.write(self._descriptor, data)

    def setsockopt(self, *option: int) -> None:
        """Any."""

    def getsockopt(self, *option: int) -> int:
        return 0

    def shutdown(self, how: int) -> None:
        pair = self._kernel.find(self._descriptor)
        if pair.is_reset:
            raise OSError(errno.ENOTCONN, "simulated")
        assert how == socket.SHUT_RD
        pair.server_reads_no_more = True

    def detach(self) -> int:
        return self._descriptor

    def fileno(self) -> int:
        return self._descriptor


def _over(real: Any, **others: Any) -> Any:
    names = {name: getattr(real, name) for name in dir(real) if not name.startswith("__")}
    return SimpleNamespace(**{**names, **others})


def modules(kernel: Callable[[], Kernel]) -> dict[str, Any]:
    """What a shell takes for os, select and socket; `kernel` is that of the process that runs."""

    def make_socket(family: int = 0, kind: int = 0, proto: int = 0, fileno: int | None = None) -> _Socket:
        assert fileno is not None
        return _Socket(kernel(), fileno)

    return {
        "os": _over(
            os,
            write=lambda descriptor, data: kernel().write(descriptor, data),
            read=lambda descriptor, most: kernel().read(descriptor, most),
            close=lambda descriptor: kernel().close(descriptor),
        ),
        "select": _over(select, epoll=lambda *args: kernel().epoll()),
        "socket": _over(socket, socket=make_socket),
    }
