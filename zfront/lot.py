"""The parking lot: the descriptors of connected clients, in an epoll of their own, and their outboxes.

Owns: descriptors, their epoll, the bounded outboxes of slow clients. Must not know: ids, transports, HTTP.

A parked connection is a row: its descriptor is registered here, and everything else about it is in arrays and
dicts indexed by that number. It has an outbox only while the kernel does not take more.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Mapping
from typing import Final

_WATCHED: Final = select.EPOLLIN | select.EPOLLRDHUP
_READ_BYTES: Final = 8192
_EVENTS: Final = 512  # hang-ups handled in one go
# What a parked client may still say that nobody wants (pipelined requests, stray bytes): it is thrown away.
CLIENT_BYTES: Final = 65536


class Lot:
    """See the module's docstring.

    `on_close(descriptor, why)` is told of each connection that ends. `on_data(descriptor, data)` is given
    what a client says, and returns whether that was wanted.
    """

    def __init__(
        self,
        outbox_bytes: int,
        on_close: Callable[[int, str], None],
        on_data: Callable[[int, bytes], bool] = lambda descriptor, data: False,
    ) -> None:
        self._epoll = select.epoll()
        self._on_close = on_close
        self._on_data = on_data
        self._outbox_bytes = outbox_bytes
        self._parked: set[int] = set()
        self._outboxes: dict[int, bytearray] = {}
        self._said_bytes: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._parked)

    def __contains__(self, descriptor: int) -> bool:
        return descriptor in self._parked

    def fileno(self) -> int:
        """The epoll's own descriptor: readable when a client needs something."""
        return self._epoll.fileno()

    def park(self, descriptor: int) -> None:
        """Take over a connected, non-blocking socket's descriptor."""
        self._epoll.register(descriptor, _WATCHED)
        self._parked.add(descriptor)

    def write_all(
        self,
        writes: Mapping[int, bytes | bytearray],
        write: Callable[[int, bytes | bytearray], int] = os.write,
    ) -> None:
        """Send to each client what is for it. Much of the cost of a message is here."""
        outboxes = self._outboxes
        for descriptor, data in writes.items():
            if descriptor in outboxes:
                self._keep(descriptor, data)
                continue
            try:
                sent = write(descriptor, data)
            except BlockingIOError:
                sent = 0
            except OSError:
                self.close(descriptor, "reset")
                continue
            if sent != len(data):
                self._keep(descriptor, data[sent:])

    def write(self, descriptor: int, data: bytes) -> None:
        """Send to a client, or keep for it what the kernel does not take; too much ends the connection."""
        self.write_all({descriptor: data})

    def write_ahead(self, descriptor: int, data: bytes) -> None:
        """Send what more will follow at once: the kernel may hold it for that, for 0.2 s at most.

        Both then are one packet, and wake the client once (MSG_MORE of send(2), and tcp(7) for the limit).
        """
        self.write_all({descriptor: data}, _send_more)

    def end(self, descriptor: int, last: bytes, why: str) -> None:
        """Send last words, and end the connection with them; the reasons are those of `close`."""
        if last:
            self.write_ahead(descriptor, last)
        self.close(descriptor, why)

    def _keep(self, descriptor: int, data: bytes | bytearray) -> None:
        """Put into the outbox what has to wait until the kernel takes more."""
        outbox = self._outboxes.get(descriptor)
        if outbox is None:
            outbox = self._outboxes[descriptor] = bytearray()
            self._epoll.modify(descriptor, _WATCHED | select.EPOLLOUT)
        if len(outbox) + len(data) > self._outbox_bytes:
            self.close(descriptor, "slow")
            return
        outbox += data

    def close(self, descriptor: int, why: str) -> None:
        """End a connection: "gone", "reset", "slow", "chatty", "evicted" or "shutdown"."""
        if descriptor not in self._parked:
            return
        self._parked.remove(descriptor)
        self._outboxes.pop(descriptor, None)
        self._said_bytes.pop(descriptor, None)
        # Told before the number can be given to a new connection.
        self._on_close(descriptor, why)
        os.close(descriptor)

    def handle_events(self) -> None:
        """Deal with what clients did: hung up, talked, made room."""
        for descriptor, events in self._epoll.poll(0, _EVENTS):
            if descriptor not in self._parked:
                continue
            if events & (select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP):
                self.close(descriptor, "gone")
                continue
            if events & select.EPOLLIN:
                self._read(descriptor)
            if events & select.EPOLLOUT and descriptor in self._outboxes:
                self._drain(descriptor)

    def release(self, descriptor: int) -> bytes:
        """Give a connection away without ending it; returns what is still to be written to it."""
        self._parked.remove(descriptor)
        self._epoll.unregister(descriptor)
        self._said_bytes.pop(descriptor, None)
        return bytes(self._outboxes.pop(descriptor, b""))

    def parked(self) -> list[int]:
        """The descriptors that are parked."""
        return list(self._parked)

    def _drain(self, descriptor: int) -> None:
        outbox = self._outboxes[descriptor]
        try:
            sent = os.write(descriptor, outbox)
        except BlockingIOError:
            return
        except OSError:
            self.close(descriptor, "reset")
            return
        del outbox[:sent]
        if not outbox:
            del self._outboxes[descriptor]
            self._epoll.modify(descriptor, _WATCHED)

    def _read(self, descriptor: int) -> None:
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self.close(descriptor, "reset" if error.errno == errno.ECONNRESET else "gone")
            return
        if not data:
            self.close(descriptor, "gone")
            return
        if self._on_data(descriptor, data):
            return
        said = self._said_bytes[descriptor] = self._said_bytes.get(descriptor, 0) + len(data)
        if said > CLIENT_BYTES:
            self.close(descriptor, "chatty")


def _send_more(descriptor: int, data: bytes | bytearray) -> int:
    # Python has send() with flags for sockets only; the family is one that it knows, and not looked at.
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, descriptor)
    try:
        return connection.send(data, socket.MSG_MORE)
    finally:
        connection.detach()
